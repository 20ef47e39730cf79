// SPDX-License-Identifier: Apache-2.0
/*
 * The intermediate representation: instructions in one growing array, referred to by index; 0 is
 * "none". Constants are instructions too. Blocks are lists of references in order.
 *
 * SSA, but for the joins: a PHI is a register that SET writes at the end of each way to its block,
 * which is what out-of-SSA would make of it anyway. The language is structured, so blocks are made in
 * an order in which every definition stands before its uses, loops run from a block to a later one,
 * and "dominates" is a stack of open scopes.
 */
#ifndef XBT_IR_H
#define XBT_IR_H

#include <linux/bpf.h>

#include "codegen/image.h"
#include "core/core.h"

enum op {
#define OP(id, name, operands, class, result) OP_##id,
#include "codegen/ops.def"
#undef OP
	OPS
};

enum op_class { CLASS_PURE, CLASS_RUN, CLASS_LOAD, CLASS_EFFECT, CLASS_FLOW };

struct op_info {
	const char *name;
	uint8_t operands;
	enum op_class class;
	bool result;
};
extern const struct op_info op_info[OPS];

enum { OPERANDS = 5 };

/* A HELPER that is none: 8 bytes at a become c if they are b, at once; what they were. Needs 5.12. */
enum { HELPER_CMPXCHG = 1 << 16 };

struct ins {
	uint8_t op, width;
	int8_t reg;         /* allocate: the register; -1: none */
	bool live;          /* prune's mark */
	ref arg[OPERANDS];
	int64_t imm;
	uint32_t at;        /* source offset, for messages about the instruction */
	/* allocate's: */
	uint32_t beg, end;  /* positions of definition and last use */
	uint32_t spill;     /* stack slot + 1; 0: in a register */
	uint32_t uses;
};

struct block {
	VEC(ref) list;
	uint32_t succ[2];
	uint32_t preds;     /* how many ways lead here */
	uint32_t loop_end;  /* of a loop's first block: its last one; 0: no loop */
	uint32_t insn;      /* emit: where it starts */
	uint32_t beg, end;  /* allocate: positions of its first and last instruction */
};

struct slot {
	uint32_t size;      /* bytes, a multiple of 8 */
	int32_t offset;     /* from r10; allocate's */
};

/* An instruction that loads the address of a callback. */
struct func_use {
	uint32_t insn, callback;
};

/* One program in the making, or a callback of it. */
struct fn {
	struct arena *arena;
	const char *name;
	VEC(struct ins) ins;
	VEC(struct block) blocks; /* 1 is the entry */
	VEC(uint32_t) order; /* of the blocks in the program: definitions before uses */
	VEC(struct slot) slots;
	uint32_t current;   /* the block that is appended to; 0: nowhere (unreachable) */
	uint32_t at;        /* source offset of what is built now */
	/* value numbering: a hash of live values, undone scope by scope */
	VEC(struct numbered) numbers;
	uint32_t *heads;    /* numbers by hash */
	uint32_t nheads;    /* a power of two */
	uint32_t epoch;     /* of memory: LOOKUPs of an earlier one are void */
	uint32_t stack;     /* allocate: bytes of stack in use */
	struct fn *program;  /* the whole that a callback belongs to; of a program: itself */
	VEC(struct fn *) callbacks; /* of a program */
	const char *failure; /* set by a pass that could not do its work: one clause, else NULL */
	/* target program: emit's */
	VEC(struct bpf_insn) insns;
	VEC(struct reloc) relocs;
	VEC(uint32_t) spans;
	VEC(struct func_use) func_uses;
};

struct numbered {
	ref value;
	uint32_t next, hash, epoch;
};

/* ---- ir.c ------------------------------------------------------------------------------- */

struct fn *ir_new(struct arena *, const char *name);
/* Appends to the current block, folds and merges on the way. 0 if the current block is unreachable. */
ref ir_append(struct fn *, enum op, ref a, ref b, int64_t imm, uint8_t width);
ref ir_const(struct fn *, int64_t);
ref ir_call(struct fn *, enum bpf_func_id, uint32_t nargs, const ref *args);
/* The address of a stack slot that holds the value. */
ref ir_key(struct fn *, ref value);
ref ir_load(struct fn *, ref address, int64_t offset, uint8_t width);
void ir_store(struct fn *, ref address, int64_t offset, ref value, uint8_t width);
/* A join: ir_set() at the end of each way to it, and the phi placed at its start. */
ref ir_phi(struct fn *);
void ir_set(struct fn *, ref phi, ref value);
/* Constants, maps, stack addresses: no register until somebody needs them in one. */
bool ir_is_material(const struct fn *, ref);
/* The value of a constant; false if it is none. */
bool ir_is_const(const struct fn *, ref, int64_t *);
void ir_place(struct fn *, uint32_t block, ref);

uint32_t ir_block(struct fn *);
/* Ends the current block, if there is one. */
void ir_jump(struct fn *, uint32_t to);
void ir_branch(struct fn *, ref cond, uint32_t then, uint32_t els);
void ir_return(struct fn *, ref value);
/* What is appended next goes there. */
void ir_enter(struct fn *, uint32_t block);
/* Leaves the current block open, to go on with it later. */
uint32_t ir_leave(struct fn *);
void ir_resume(struct fn *, uint32_t block);
/* A stack slot's address. */
ref ir_slot(struct fn *, uint32_t size);
/* Scopes of value numbering: what was computed on one side of a branch is unknown after it. */
uint32_t ir_scope(const struct fn *);
void ir_unscope(struct fn *, uint32_t mark);
/* Memory that LOOKUP reads may have changed. */
void ir_clobber(struct fn *);

/* How many operands an instruction has (HELPER: as many as are given). */
uint32_t ir_operands(const struct ins *);
/* Makes an instruction that is placed nowhere. */
ref ir_new_ins(struct fn *, enum op, ref a, ref b, int64_t imm, uint8_t width);

/* ---- ir_dump.c, ir_verify.c ------------------------------------------------------------- */

void ir_dump(const struct fn *, const struct source *, FILE *);
/* NULL, or what is wrong with the IR: a bug of xbt's, told in one line. */
const char *ir_verify(const struct fn *, struct arena *);

/* ---- the passes ------------------------------------------------------------------------- */

void prune(struct fn *);    /* drops what nobody uses, and blocks that nothing reaches */
void lower(struct fn *);    /* LOOKUP and constants into what the machine has; fuses comparisons */
void allocate(struct fn *); /* registers and stack */
void emit(struct fn *);     /* IR -> fn->insns, relocs, spans */
/* Appends a program's callbacks to its instructions, all emitted; where[i] is where callback i starts. */
void emit_join(struct fn *, uint32_t *where);

#endif
