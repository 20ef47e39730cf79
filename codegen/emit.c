// SPDX-License-Identifier: Apache-2.0
/*
 * IR with registers -> BPF instructions (Documentation/bpf/standardization/instruction-set.rst).
 *
 * Arithmetic has two addresses, so results are made in the register of the left side's copy. Spilled
 * operands come through r0 (left) and r5 (right), which the allocator keeps back when there are any.
 * Call arguments move to r1-r5 in parallel. Jumps are resolved at the end; one to the next block is
 * left out. Notes for each instruction where in the script it comes from.
 */
#include "codegen/ir.h"
#include "target/target.h"

#include <string.h>

enum { FRAME = BPF_REG_10, TEMP_A = BPF_REG_0, TEMP_B = BPF_REG_5 };

struct jump {
	uint32_t insn, block;
};

struct emitter {
	struct fn *fn;
	VEC(struct jump) jumps;
};

static void put(struct emitter *e, uint8_t code, int dst, int src, int16_t off, int32_t imm)
{
	struct fn *f = e->fn;

	*vec_push(f->arena, &f->insns) = (struct bpf_insn){
		.code = code, .dst_reg = (uint8_t)dst & 15, .src_reg = (uint8_t)src & 15, .off = off,
		.imm = imm,
	};
	*vec_push(f->arena, &f->spans) = f->at;
}

static void put_mov(struct emitter *e, int dst, int src)
{
	if (dst != src)
		put(e, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

static void put_imm64(struct emitter *e, int dst, int pseudo, int64_t v)
{
	put(e, BPF_LD | BPF_DW | BPF_IMM, dst, pseudo, 0, (int32_t)v);
	put(e, 0, 0, 0, 0, (int32_t)(v >> 32));
}

static void put_const(struct emitter *e, int dst, int64_t v)
{
	if (v == (int32_t)v)
		put(e, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, (int32_t)v);
	else if (v == (int64_t)(uint32_t)v)
		put(e, BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, (int32_t)v);
	else
		put_imm64(e, dst, 0, v);
}

static void put_map(struct emitter *e, int dst, uint32_t map, bool value, uint32_t offset)
{
	*vec_push(e->fn->arena, &e->fn->relocs) =
		(struct reloc){ .insn = e->fn->insns.n, .map = map, .value = value, .offset = offset };
	put_imm64(e, dst, value ? BPF_PSEUDO_MAP_VALUE : BPF_PSEUDO_MAP_FD,
		  (int64_t)((uint64_t)offset << 32));
}

static int32_t slot_offset(const struct emitter *e, ref r)
{
	return e->fn->slots.v[e->fn->ins.v[r].imm].offset;
}

static int16_t spill_offset(const struct ins *i)
{
	return (int16_t)(-8 * (int32_t)i->spill);
}

/* Makes the value in this very register. */
static void put_value(struct emitter *e, int dst, ref r)
{
	const struct ins *i = &e->fn->ins.v[r];

	switch (i->op) {
	case OP_CONST:
		put_const(e, dst, i->imm);
		break;
	case OP_MAPFD:
		put_map(e, dst, (uint32_t)i->imm, false, 0);
		break;
	case OP_MAPVAL:
		put_map(e, dst, (uint32_t)(i->imm >> 32), true, (uint32_t)i->imm);
		break;
	case OP_FUNC:
		*vec_push(e->fn->arena, &e->fn->func_uses) =
			(struct func_use){ e->fn->insns.n, (uint32_t)i->imm };
		put_imm64(e, dst, BPF_PSEUDO_FUNC, 0);
		break;
	case OP_SLOT:
	case OP_KEY:
		put_mov(e, dst, FRAME);
		put(e, BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, slot_offset(e, r));
		break;
	default:
		if (i->spill)
			put(e, BPF_LDX | BPF_MEM | BPF_DW, dst, FRAME, spill_offset(i), 0);
		else
			put_mov(e, dst, i->reg);
	}
}

/* The register that holds the value, through `temp` if it is on the stack. */
static int in_register(struct emitter *e, ref r, int temp)
{
	const struct ins *i = &e->fn->ins.v[r];

	if (!i->spill && i->reg >= 0)
		return i->reg;
	put_value(e, temp, r);
	return temp;
}

static int result_register(const struct ins *i)
{
	return i->spill ? TEMP_A : i->reg;
}

static void store_result(struct emitter *e, const struct ins *i)
{
	if (i->spill)
		put(e, BPF_STX | BPF_MEM | BPF_DW, FRAME, TEMP_A, spill_offset(i), 0);
}

static bool as_immediate(const struct emitter *e, ref r, int32_t *imm)
{
	int64_t v;

	if (!ir_is_const(e->fn, r, &v) || v != (int32_t)v)
		return false;
	*imm = (int32_t)v;
	return true;
}

/* ---- arithmetic ------------------------------------------------------------------------- */

static const uint8_t alu_code[OPS] = {
	[OP_ADD] = BPF_ADD, [OP_SUB] = BPF_SUB, [OP_MUL] = BPF_MUL, [OP_DIV] = BPF_DIV,
	[OP_MOD] = BPF_MOD, [OP_AND] = BPF_AND, [OP_OR] = BPF_OR,   [OP_XOR] = BPF_XOR,
	[OP_SHL] = BPF_LSH, [OP_SHR] = BPF_RSH, [OP_SAR] = BPF_ARSH,
};

static void emit_alu(struct emitter *e, const struct ins *i)
{
	int dst = result_register(i), src;
	int32_t imm;

	if (as_immediate(e, i->arg[1], &imm)) {
		put_value(e, dst, i->arg[0]);
		put(e, BPF_ALU64 | alu_code[i->op] | BPF_K, dst, 0, 0, imm);
	} else {
		src = in_register(e, i->arg[1], TEMP_B);
		put_value(e, dst, i->arg[0]);
		put(e, BPF_ALU64 | alu_code[i->op] | BPF_X, dst, src, 0, 0);
	}
	store_result(e, i);
}

static void emit_ext(struct emitter *e, const struct ins *i)
{
	int dst = result_register(i), shift = 64 - 8 * i->width;

	if (!i->imm && i->width == 4) {
		put(e, BPF_ALU | BPF_MOV | BPF_X, dst, in_register(e, i->arg[0], TEMP_A), 0, 0);
	} else if (!i->imm) {
		put_value(e, dst, i->arg[0]);
		put(e, BPF_ALU64 | BPF_AND | BPF_K, dst, 0, 0, (1 << 8 * i->width) - 1);
	} else {
		put_value(e, dst, i->arg[0]);
		put(e, BPF_ALU64 | BPF_LSH | BPF_K, dst, 0, 0, shift);
		put(e, BPF_ALU64 | BPF_ARSH | BPF_K, dst, 0, 0, shift);
	}
	store_result(e, i);
}

/* "To big endian", which on a little-endian machine is the other order. */
static void emit_swap(struct emitter *e, const struct ins *i)
{
	int dst = result_register(i);

	put_value(e, dst, i->arg[0]);
	put(e, BPF_ALU | BPF_END | (arch_host()->little_endian ? BPF_TO_BE : BPF_TO_LE), dst, 0, 0, 8 * i->width);
	store_result(e, i);
}

static uint8_t jump_code(enum op op)
{
	switch (op) {
	case OP_EQ:  return BPF_JEQ;
	case OP_NE:  return BPF_JNE;
	case OP_LT:  return BPF_JSLT;
	case OP_LE:  return BPF_JSLE;
	case OP_ULT: return BPF_JLT;
	default:     return BPF_JLE;
	}
}

static uint8_t inverse_code(uint8_t code)
{
	switch (code) {
	case BPF_JEQ:  return BPF_JNE;
	case BPF_JNE:  return BPF_JEQ;
	case BPF_JSLT: return BPF_JSGE;
	case BPF_JSLE: return BPF_JSGT;
	case BPF_JLT:  return BPF_JGE;
	default:       return BPF_JGT;
	}
}

/* Compares and jumps `off` instructions ahead (or is resolved later). */
static void put_compare(struct emitter *e, uint8_t code, ref a, ref b, int16_t off)
{
	int left = in_register(e, a, TEMP_A);
	int32_t imm;

	if (as_immediate(e, b, &imm))
		put(e, BPF_JMP | code | BPF_K, left, 0, off, imm);
	else
		put(e, BPF_JMP | code | BPF_X, left, in_register(e, b, TEMP_B), off, 0);
}

/* A comparison whose value is wanted: 1, unless the jump over the 0 is not taken. */
static void emit_comparison(struct emitter *e, const struct ins *i)
{
	uint8_t code = jump_code((enum op)i->op);

	if (i->spill)
		put(e, BPF_ST | BPF_MEM | BPF_DW, FRAME, 0, spill_offset(i), 1);
	else
		put_const(e, i->reg, 1);
	put_compare(e, code, i->arg[0], i->arg[1], 1);
	if (i->spill)
		put(e, BPF_ST | BPF_MEM | BPF_DW, FRAME, 0, spill_offset(i), 0);
	else
		put_const(e, i->reg, 0);
}

/* ---- memory ----------------------------------------------------------------------------- */

static uint8_t size_code(uint8_t width)
{
	return width == 1 ? BPF_B : width == 2 ? BPF_H : width == 4 ? BPF_W : BPF_DW;
}

/* Base register and offset of a load or store. */
static int address(struct emitter *e, const struct ins *i, int16_t *off)
{
	enum op op = (enum op)e->fn->ins.v[i->arg[0]].op;

	*off = (int16_t)i->imm;
	if (op != OP_SLOT && op != OP_KEY)
		return in_register(e, i->arg[0], TEMP_A);
	*off = (int16_t)(i->imm + slot_offset(e, i->arg[0]));
	return FRAME;
}

static void emit_load(struct emitter *e, const struct ins *i)
{
	int16_t off;
	int base = address(e, i, &off);

	put(e, BPF_LDX | BPF_MEM | size_code(i->width), result_register(i), base, off, 0);
	store_result(e, i);
}

static void emit_store(struct emitter *e, const struct ins *i)
{
	int16_t off;
	int base = address(e, i, &off);
	int32_t imm;

	if (as_immediate(e, i->arg[1], &imm))
		put(e, BPF_ST | BPF_MEM | size_code(i->width), base, 0, off, imm);
	else
		put(e, BPF_STX | BPF_MEM | size_code(i->width), base,
		    in_register(e, i->arg[1], TEMP_B), off, 0);
}

static void emit_atomic(struct emitter *e, const struct ins *i)
{
	int16_t off;
	int base = address(e, i, &off);

	put(e, BPF_STX | BPF_ATOMIC | BPF_DW, base, in_register(e, i->arg[1], TEMP_B), off, BPF_ADD);
}

static void emit_set(struct emitter *e, const struct ins *i)
{
	const struct ins *phi = &e->fn->ins.v[i->arg[0]];
	int32_t imm;

	if (phi->spill && as_immediate(e, i->arg[1], &imm)) {
		put(e, BPF_ST | BPF_MEM | BPF_DW, FRAME, 0, spill_offset(phi), imm);
		return;
	}
	put_value(e, result_register(phi), i->arg[1]);
	store_result(e, phi);
}

/* ---- calls ------------------------------------------------------------------------------ */

/* Where an argument is now: its register, or -1 if it is made or loaded in place. */
static int source_register(const struct emitter *e, ref r)
{
	const struct ins *i = &e->fn->ins.v[r];

	return ir_is_material(e->fn, r) || i->spill ? -1 : i->reg;
}

/* Moves registers to r1.. in parallel: a move whose target nobody still needs goes first. When only
 * cycles are left, every source is a target, so r0 is free to open one of them. */
static void move_arguments(struct emitter *e, const int *from, uint32_t n)
{
	int src[OPERANDS];
	uint32_t left = 0;

	for (uint32_t k = 0; k < n; k++) {
		src[k] = from[k] == (int)k + 1 ? -1 : from[k];
		left += src[k] >= 0;
	}
	while (left) {
		uint32_t sources = 0, moved = left;

		for (uint32_t k = 0; k < n; k++)
			if (src[k] >= 0)
				sources |= 1u << src[k];
		for (uint32_t k = 0; k < n; k++) {
			if (src[k] < 0 || sources & (2u << k))
				continue;
			put_mov(e, (int)k + 1, src[k]);
			src[k] = -1;
			left--;
			break;
		}
		if (moved == left) {
			int first = __builtin_ctz(sources);

			put_mov(e, BPF_REG_0, first);
			for (uint32_t k = 0; k < n; k++)
				src[k] = src[k] == first ? BPF_REG_0 : src[k];
		}
	}
}

static void emit_call(struct emitter *e, const struct ins *i)
{
	uint32_t n = ir_operands(i);
	int from[OPERANDS];

	for (uint32_t k = 0; k < n; k++)
		from[k] = source_register(e, i->arg[k]);
	move_arguments(e, from, n);
	for (uint32_t k = 0; k < n; k++)
		if (from[k] < 0)
			put_value(e, (int)k + 1, i->arg[k]);
	if (i->imm == HELPER_CMPXCHG) {
		put_mov(e, BPF_REG_0, BPF_REG_2);
		put(e, BPF_STX | BPF_ATOMIC | BPF_DW, BPF_REG_1, BPF_REG_3, 0, BPF_CMPXCHG);
	} else {
		put(e, BPF_JMP | BPF_CALL, 0, 0, 0, (int32_t)i->imm);
	}
	if (i->spill)
		store_result(e, i);
	else if (i->reg >= 0)
		put_mov(e, i->reg, BPF_REG_0);
}

/* ---- control flow ----------------------------------------------------------------------- */

static void put_jump(struct emitter *e, uint32_t block, uint32_t next)
{
	if (block == next)
		return;
	*vec_push(e->fn->arena, &e->jumps) = (struct jump){ e->fn->insns.n, block };
	put(e, BPF_JMP | BPF_JA, 0, 0, 0, 0);
}

static void emit_branch(struct emitter *e, const struct ins *i, const struct block *b, uint32_t next)
{
	uint8_t code = jump_code((enum op)i->imm);
	uint32_t to = b->succ[0], els = b->succ[1];

	if (to == next) {
		code = inverse_code(code);
		to = b->succ[1];
		els = b->succ[0];
	}
	put_compare(e, code, i->arg[0], i->arg[1], 0);
	*vec_push(e->fn->arena, &e->jumps) = (struct jump){ e->fn->insns.n - 1, to };
	put_jump(e, els, next);
}

static void emit_argument(struct emitter *e, const struct ins *i, int from)
{
	if (i->spill)
		put(e, BPF_STX | BPF_MEM | BPF_DW, FRAME, from, spill_offset(i), 0);
	else
		put_mov(e, i->reg, from);
}

static void emit_ins(struct emitter *e, ref r, const struct block *b, uint32_t next)
{
	const struct ins *i = &e->fn->ins.v[r];

	e->fn->at = i->at;
	switch (i->op) {
	case OP_CTX:
	case OP_ARG:
		emit_argument(e, i, BPF_REG_1 + (i->op == OP_ARG ? (int)i->imm : 0));
		break;
	case OP_EXT:
		emit_ext(e, i);
		break;
	case OP_SWAP:
		emit_swap(e, i);
		break;
	case OP_COPY:
		put_value(e, result_register(i), i->arg[0]);
		store_result(e, i);
		break;
	case OP_SET:
		emit_set(e, i);
		break;
	case OP_LOAD:
		emit_load(e, i);
		break;
	case OP_STORE:
		emit_store(e, i);
		break;
	case OP_ATOMIC:
		emit_atomic(e, i);
		break;
	case OP_HELPER:
		emit_call(e, i);
		break;
	case OP_JUMP:
		put_jump(e, b->succ[0], next);
		break;
	case OP_BRANCH:
		emit_branch(e, i, b, next);
		break;
	case OP_RETURN:
		put_value(e, BPF_REG_0, i->arg[0]);
		put(e, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
		break;
	default:
		if (i->op >= OP_EQ && i->op <= OP_ULE)
			emit_comparison(e, i);
		else if (alu_code[i->op] || i->op == OP_ADD)
			emit_alu(e, i);
	}
}

static void resolve_jumps(struct emitter *e)
{
	struct fn *f = e->fn;

	for (uint32_t k = 0; k < e->jumps.n; k++) {
		const struct jump *j = &e->jumps.v[k];
		int64_t off = (int64_t)f->blocks.v[j->block].insn - j->insn - 1;

		if (off != (int16_t)off)
			f->failure = "it is too large: a jump passes 32767 instructions";
		f->insns.v[j->insn].off = (int16_t)off;
	}
}

void emit(struct fn *f)
{
	struct emitter e = { .fn = f };

	for (uint32_t k = 0; k < f->order.n; k++) {
		struct block *b = &f->blocks.v[f->order.v[k]];
		uint32_t next = k + 1 < f->order.n ? f->order.v[k + 1] : 0;

		b->insn = f->insns.n;
		for (uint32_t j = 0; j < b->list.n; j++)
			emit_ins(&e, b->list.v[j], b, next);
	}
	resolve_jumps(&e);
}

/* ---- callbacks -------------------------------------------------------------------------- */

static void append(struct fn *f, const struct fn *g)
{
	uint32_t start = f->insns.n;

	for (uint32_t i = 0; i < g->insns.n; i++) {
		*vec_push(f->arena, &f->insns) = g->insns.v[i];
		*vec_push(f->arena, &f->spans) = g->spans.v[i];
	}
	for (uint32_t i = 0; i < g->relocs.n; i++) {
		struct reloc *r = vec_push(f->arena, &f->relocs);

		*r = g->relocs.v[i];
		r->insn += start;
	}
	for (uint32_t i = 0; i < g->func_uses.n; i++)
		*vec_push(f->arena, &f->func_uses) =
			(struct func_use){ g->func_uses.v[i].insn + start, g->func_uses.v[i].callback };
}

void emit_join(struct fn *f, uint32_t *where)
{
	for (uint32_t i = 0; i < f->callbacks.n; i++) {
		where[i] = f->insns.n;
		append(f, f->callbacks.v[i]);
	}
	for (uint32_t i = 0; i < f->func_uses.n; i++) {
		const struct func_use *u = &f->func_uses.v[i];

		f->insns.v[u->insn].imm = (int32_t)(where[u->callback] - u->insn - 1);
	}
}
