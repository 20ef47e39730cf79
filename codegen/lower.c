// SPDX-License-Identifier: Apache-2.0
/*
 * From what programs mean to what the machine has.
 *
 * LOOKUP and RUNCALL become helper calls; an operand that the instruction needs in a register but
 * that has none (a constant, a map, a stack address) gets one right before its use, so that nothing
 * of the kind is ever kept or spilled. Immediate operands, stack bases and call arguments need none.
 */
#include "codegen/ir.h"

static bool fits_imm32(const struct fn *f, ref r)
{
	int64_t v;

	return ir_is_const(f, r, &v) && v == (int32_t)v;
}

static bool is_stack(const struct fn *f, ref r)
{
	return f->ins.v[r].op == OP_SLOT || f->ins.v[r].op == OP_KEY;
}

/* Can operand k of the instruction stand as it is? */
static bool operand_fits(const struct fn *f, const struct ins *i, uint32_t k)
{
	ref a = i->arg[k];

	if (!ir_is_material(f, a))
		return true;
	switch (i->op) {
	case OP_HELPER:
	case OP_RETURN:
	case OP_COPY:
		return true; /* made in the register where it is wanted */
	case OP_SET:
		return true;
	case OP_LOAD:
		return is_stack(f, a);
	case OP_STORE:
		return k == 0 ? is_stack(f, a) : fits_imm32(f, a);
	case OP_ATOMIC:
		return k == 0 && is_stack(f, a);
	default:
		return k == 1 && fits_imm32(f, a);
	}
}

static void lower_lookup(struct fn *f, ref r)
{
	ref map = ir_new_ins(f, OP_MAPFD, 0, 0, f->ins.v[r].imm, 8);
	struct ins *i = &f->ins.v[r];

	i->op = OP_HELPER;
	i->imm = BPF_FUNC_map_lookup_elem;
	i->arg[1] = i->arg[0];
	i->arg[0] = map;
}

static void lower_ins(struct fn *f, struct block *b, ref r)
{
	f->at = f->ins.v[r].at;
	if (f->ins.v[r].op == OP_LOOKUP)
		lower_lookup(f, r);
	else if (f->ins.v[r].op == OP_RUNCALL)
		f->ins.v[r].op = OP_HELPER;
	for (uint32_t k = 0; k < ir_operands(&f->ins.v[r]); k++) {
		ref a = f->ins.v[r].arg[k], fresh;

		if (operand_fits(f, &f->ins.v[r], k))
			continue;
		fresh = ir_new_ins(f, OP_COPY, a, 0, 0, 8);
		*vec_push(f->arena, &b->list) = fresh;
		f->ins.v[r].arg[k] = fresh;
	}
	*vec_push(f->arena, &b->list) = r;
}

void lower(struct fn *f)
{
	for (uint32_t k = 0; k < f->order.n; k++) {
		struct block *b = &f->blocks.v[f->order.v[k]];
		struct block old = *b;

		b->list.v = NULL;
		b->list.n = b->list.cap = 0;
		for (uint32_t j = 0; j < old.list.n; j++)
			lower_ins(f, b, old.list.v[j]);
	}
}
