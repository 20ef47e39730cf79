// SPDX-License-Identifier: Apache-2.0
/*
 * The printable form of the IR, the same after every pass. Script lines stand between as comments.
 */
#include "codegen/ir.h"

static void dump_ref(const struct fn *f, ref r, FILE *out)
{
	const struct ins *i = &f->ins.v[r];

	switch (i->op) {
	case OP_CONST:
		fprintf(out, "%lld", (long long)i->imm);
		break;
	case OP_MAPFD:
		fprintf(out, "map[%lld]", (long long)i->imm);
		break;
	case OP_MAPVAL:
		fprintf(out, "map[%lld]+%u", (long long)(i->imm >> 32), (uint32_t)i->imm);
		break;
	case OP_SLOT:
	case OP_KEY:
		fprintf(out, "stack[%lld]", (long long)i->imm);
		break;
	default:
		fprintf(out, "v%u", r);
	}
	if (i->spill)
		fprintf(out, ":s%u", i->spill);
	else if (i->reg >= 0)
		fprintf(out, ":r%d", i->reg);
}

static void dump_block_ref(const struct block *b, int i, FILE *out)
{
	fprintf(out, "%sb%u", i ? ", " : " -> ", b->succ[i]);
}

static void dump_ins(const struct fn *f, const struct block *b, ref r, FILE *out)
{
	const struct ins *i = &f->ins.v[r];
	uint32_t n = ir_operands(i);

	fputs("    ", out);
	if (op_info[i->op].result) {
		dump_ref(f, r, out);
		fputs(" = ", out);
	}
	fputs(op_info[i->op].name, out);
	if (i->op == OP_LOAD || i->op == OP_STORE || i->op == OP_EXT || i->op == OP_SWAP)
		fprintf(out, "%u%s", i->width, i->op == OP_EXT && i->imm ? "s" : "");
	if (i->op == OP_BRANCH)
		fprintf(out, " %s", op_info[i->imm].name);
	if (i->op == OP_HELPER || i->op == OP_RUNCALL || i->op == OP_CONST || i->op == OP_LOOKUP)
		fprintf(out, " #%lld", (long long)i->imm);
	for (uint32_t k = 0; k < n; k++) {
		fputs(k ? ", " : " ", out);
		if (i->arg[k])
			dump_ref(f, i->arg[k], out);
		if (k == 0 && (i->op == OP_LOAD || i->op == OP_STORE || i->op == OP_ATOMIC) && i->imm)
			fprintf(out, "%+lld", (long long)i->imm);
	}
	if (i->op == OP_JUMP || i->op == OP_BRANCH)
		dump_block_ref(b, 0, out);
	if (i->op == OP_BRANCH)
		dump_block_ref(b, 1, out);
	putc('\n', out);
}

void ir_dump(const struct fn *f, const struct source *src, FILE *out)
{
	uint32_t line = 0;

	fprintf(out, "%s:\n", f->name);
	for (uint32_t k = 0; k < f->order.n; k++) {
		const struct block *b = &f->blocks.v[f->order.v[k]];

		fprintf(out, "  b%u:\n", f->order.v[k]);
		for (uint32_t j = 0; j < b->list.n; j++) {
			uint32_t at = source_position(src, f->ins.v[b->list.v[j]].at).line;

			if (at != line)
				fprintf(out, "    ; %.*s\n", STR_ARG(source_line(src, at)));
			line = at;
			dump_ins(f, b, b->list.v[j], out);
		}
	}
}
