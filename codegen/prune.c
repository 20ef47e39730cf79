// SPDX-License-Identifier: Apache-2.0
/*
 * Drops what nobody uses. Roots are instructions with effects and those that end blocks; a SET lives
 * if its PHI does. Unreachable blocks never came to be (ir_enter); a block with one way in that is a
 * jump from its neighbour costs nothing, since emit leaves out jumps to what follows.
 */
#include "codegen/ir.h"

static bool is_root(const struct fn *f, const struct ins *i)
{
	if (i->op == OP_SET)
		return f->ins.v[i->arg[0]].live;
	if (i->op == OP_PHI || i->op == OP_COPY)
		return false;
	return op_info[i->op].class == CLASS_EFFECT || op_info[i->op].class == CLASS_FLOW;
}

/* Backwards once over the program; true if anything became live. */
static bool mark(struct fn *f)
{
	bool changed = false;

	for (uint32_t k = f->order.n; k--;) {
		const struct block *b = &f->blocks.v[f->order.v[k]];

		for (uint32_t j = b->list.n; j--;) {
			struct ins *i = &f->ins.v[b->list.v[j]];

			if (!i->live && !is_root(f, i))
				continue;
			changed |= !i->live;
			i->live = true;
			for (uint32_t n = ir_operands(i); n--;) {
				struct ins *a = &f->ins.v[i->arg[n]];

				changed |= !a->live;
				a->live = true;
			}
		}
	}
	return changed;
}

/* A stack slot's store whose slot nobody reads is not looked for: stores are as good as free. */
void prune(struct fn *f)
{
	while (mark(f))
		;
	for (uint32_t k = 0; k < f->order.n; k++) {
		struct block *b = &f->blocks.v[f->order.v[k]];
		uint32_t n = 0;

		for (uint32_t j = 0; j < b->list.n; j++)
			if (f->ins.v[b->list.v[j]].live)
				b->list.v[n++] = b->list.v[j];
		b->list.n = n;
	}
}
