// SPDX-License-Identifier: Apache-2.0
/*
 * BPF instructions as text (as the verifier's log writes them), and the listing of an image.
 */
#include "codegen/image.h"

static const char *const alu_name[] = { "+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=",
					"= -", "%=", "^=", "=", "s>>=" };
static const char *const jump_name[] = { "goto", "==", ">", ">=", "&", "!=", "s>", "s>=",
					 "call", "exit", "<", "<=", "s<", "s<=" };

static const char *size_name(uint8_t code)
{
	switch (BPF_SIZE(code)) {
	case BPF_B:
		return "u8";
	case BPF_H:
		return "u16";
	case BPF_W:
		return "u32";
	default:
		return "u64";
	}
}

static void disasm_alu(const struct bpf_insn *i, FILE *out)
{
	char r = BPF_CLASS(i->code) == BPF_ALU64 ? 'r' : 'w';
	unsigned op = BPF_OP(i->code) >> 4;
	const char *name = op < LEN(alu_name) ? alu_name[op] : "?";

	if (BPF_OP(i->code) == BPF_END)
		fprintf(out, "r%d = %s%d r%d", i->dst_reg, BPF_SRC(i->code) == BPF_TO_BE ? "be" : "le", i->imm,
			i->dst_reg);
	else if (BPF_SRC(i->code) == BPF_X)
		fprintf(out, "%c%d %s %c%d", r, i->dst_reg, name, r, i->src_reg);
	else
		fprintf(out, "%c%d %s %d", r, i->dst_reg, name, i->imm);
}

static void disasm_jump(const struct bpf_insn *i, uint32_t at, FILE *out)
{
	unsigned op = BPF_OP(i->code) >> 4;
	int to = (int)at + 1 + i->off;

	if (BPF_OP(i->code) == BPF_CALL)
		fprintf(out, "call #%d", i->imm);
	else if (BPF_OP(i->code) == BPF_EXIT)
		fputs("exit", out);
	else if (BPF_OP(i->code) == BPF_JA)
		fprintf(out, "goto %d", to);
	else if (BPF_SRC(i->code) == BPF_X)
		fprintf(out, "if r%d %s r%d goto %d", i->dst_reg,
			op < LEN(jump_name) ? jump_name[op] : "?", i->src_reg, to);
	else
		fprintf(out, "if r%d %s %d goto %d", i->dst_reg,
			op < LEN(jump_name) ? jump_name[op] : "?", i->imm, to);
}

static void disasm_memory(const struct bpf_insn *i, FILE *out)
{
	const char *size = size_name(i->code);

	switch (BPF_CLASS(i->code)) {
	case BPF_LDX:
		fprintf(out, "r%d = *(%s *)(r%d %+d)", i->dst_reg, size, i->src_reg, i->off);
		break;
	case BPF_ST:
		fprintf(out, "*(%s *)(r%d %+d) = %d", size, i->dst_reg, i->off, i->imm);
		break;
	default:
		if (BPF_MODE(i->code) == BPF_ATOMIC && i->imm == BPF_CMPXCHG)
			fprintf(out, "r0 = cmpxchg(*(%s *)(r%d %+d), r0, r%d)", size, i->dst_reg, i->off, i->src_reg);
		else if (BPF_MODE(i->code) == BPF_ATOMIC)
			fprintf(out, "lock *(%s *)(r%d %+d) += r%d", size, i->dst_reg, i->off, i->src_reg);
		else
			fprintf(out, "*(%s *)(r%d %+d) = r%d", size, i->dst_reg, i->off, i->src_reg);
	}
}

static void disasm_imm64(const struct bpf_insn *i, FILE *out)
{
	uint64_t v = (uint32_t)i[0].imm | (uint64_t)(uint32_t)i[1].imm << 32;

	if (i->src_reg == BPF_PSEUDO_FUNC)
		fprintf(out, "r%d = function %+d", i->dst_reg, i->imm);
	else if (i->src_reg)
		fprintf(out, "r%d = map%s", i->dst_reg, i->src_reg == BPF_PSEUDO_MAP_VALUE ? " value" : "");
	else
		fprintf(out, "r%d = 0x%llx", i->dst_reg, (unsigned long long)v);
}

void disasm(const struct bpf_insn *insns, uint32_t n, FILE *out)
{
	for (uint32_t at = 0; at < n; at++) {
		const struct bpf_insn *i = &insns[at];

		fprintf(out, "%5u  ", at);
		switch (BPF_CLASS(i->code)) {
		case BPF_ALU:
		case BPF_ALU64:
			disasm_alu(i, out);
			break;
		case BPF_JMP:
		case BPF_JMP32:
			disasm_jump(i, at, out);
			break;
		case BPF_LD:
			disasm_imm64(i, out);
			at += at + 1 < n;
			break;
		default:
			disasm_memory(i, out);
		}
		putc('\n', out);
	}
}

void image_dump(const struct image *image, FILE *out)
{
	for (uint32_t k = 0; k < image->maps.n; k++) {
		const struct image_map *m = &image->maps.v[k];

		fprintf(out, "map[%u] %s: type %d, key %u, value %u, entries %u\n", k, m->name, (int)m->type,
			m->key_size, m->value_size, m->max_entries);
	}
	for (uint32_t k = 0; k < image->progs.n; k++) {
		const struct prog *p = &image->progs.v[k];

		fprintf(out, "%s: %u instructions\n", p->name, p->ninsns);
		for (uint32_t t = 0; t < p->ntargets; t++)
			fprintf(out, "  ; %s\n", p->targets[t].text);
		disasm(p->insns, p->ninsns, out);
	}
}

void events_dump(struct image *image, FILE *out)
{
	static const char *const names[EVENT_KINDS] = {
#define EVENT(id, doc) [EV_##id] = #id,
#include "sema/events.def"
#undef EVENT
	};

	for (uint32_t k = 0; k < image->events.n; k++) {
		const struct event *e = &image->events.v[k];

		fprintf(out, "event[%u] %s", k, names[e->kind]);
		if (e->map)
			fprintf(out, " %.*s", STR_ARG(e->map->name));
		if (e->args)
			fprintf(out, " %s", type_text(&image->arena, e->args));
		putc('\n', out);
	}
}
