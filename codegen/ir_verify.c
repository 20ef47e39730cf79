// SPDX-License-Identifier: Apache-2.0
/*
 * The checker that runs after every pass, in production: a broken program must be our error message,
 * not the kernel's.
 *
 * Checks that definitions stand before uses, that blocks end once and lead to placed blocks, and that
 * operands are where the operation needs them.
 */
#include "codegen/ir.h"

struct verify {
	const struct fn *f;
	struct arena *arena;
	bool *defined, *placed;
};

static const char *bad_operand(struct verify *v, ref r, uint32_t k)
{
	const struct ins *i = &v->f->ins.v[r];
	ref a = i->arg[k];

	if (a >= v->f->ins.n || (!a && i->op != OP_HELPER))
		return arena_printf(v->arena, "v%u: operand %u of %s is missing", r, k,
				    op_info[i->op].name);
	if (i->op == OP_SET && k == 0)
		return v->f->ins.v[a].op == OP_PHI ? NULL
			: arena_printf(v->arena, "v%u: set of v%u, which is no phi", r, a);
	if (!v->defined[a] && !ir_is_material(v->f, a))
		return arena_printf(v->arena, "v%u: v%u is used before it is defined", r, a);
	if (!op_info[v->f->ins.v[a].op].result)
		return arena_printf(v->arena, "v%u: v%u has no value", r, a);
	return NULL;
}

static const char *verify_block(struct verify *v, uint32_t index)
{
	const struct block *b = &v->f->blocks.v[index];

	for (uint32_t j = 0; j < b->list.n; j++) {
		ref r = b->list.v[j];
		const struct ins *i = &v->f->ins.v[r];
		bool last = j + 1 == b->list.n;

		for (uint32_t k = 0; k < ir_operands(i); k++) {
			const char *why = bad_operand(v, r, k);

			if (why)
				return why;
		}
		if ((op_info[i->op].class == CLASS_FLOW) != last)
			return arena_printf(v->arena, "b%u: %s is %s", index, op_info[i->op].name,
					    last ? "last" : "not last");
		v->defined[r] = true;
	}
	for (int k = 0; k < 2; k++)
		if (b->succ[k] && !v->placed[b->succ[k]])
			return arena_printf(v->arena, "b%u leads to b%u, which is nowhere", index, b->succ[k]);
	return b->list.n ? NULL : arena_printf(v->arena, "b%u is empty", index);
}

const char *ir_verify(const struct fn *f, struct arena *a)
{
	struct verify v = { f, a, arena_alloc(a, f->ins.n), arena_alloc(a, f->blocks.n) };

	for (uint32_t k = 0; k < f->order.n; k++)
		v.placed[f->order.v[k]] = true;
	for (uint32_t k = 0; k < f->order.n; k++) {
		const char *why = verify_block(&v, f->order.v[k]);

		if (why)
			return why;
	}
	return NULL;
}
