// SPDX-License-Identifier: Apache-2.0
/*
 * The builder: typed AST -> IR, one file per family. Scalars come back as values (build_value);
 * strings, buffers and tuples are written where the consumer wants them (build_into), so nothing is
 * copied twice. One row of builtins.def is one function build_NAME here.
 */
#ifndef XBT_BUILDER_H
#define XBT_BUILDER_H

#include "codegen/build.h"
#include "codegen/ir.h"
#include "sema/script.h"

/* Where a value that is not a scalar goes, or lies: type_slot(type) bytes at base + off. */
struct place {
	ref base;
	int64_t off;
	const struct type *type;
};

struct temp {
	ref address;
	uint32_t size;
	uint32_t busy; /* the nesting of the statement that has it; 0: free */
};

struct loop {
	struct loop *outer;
	uint32_t head, exit;
	ref *head_phi, *exit_phi; /* by variable; 0: not assigned in the loop */
};

struct build {
	struct script *s;
	struct image *image;
	struct fn *fn;
	struct probe *p;
	const struct attach_point *ap;
	struct target *target;   /* the only one, or the first of many that are alike */
	bool by_cookie;          /* what differs between targets is looked up */
	uint32_t facts[TARGET_FACTS]; /* where: maps, 0: not used yet */
	uint32_t prog;           /* index of the program: its entry in the scratch map */
	ref ctx, scratch;
	ref *vars;               /* each variable's value now; of strings and such the address, if on the stack */
	struct loop *loop;
	bool has_callbacks;      /* the probe has for loops */
	int64_t *var_offsets;    /* of strings and such, and of what is kept there: where in scratch memory */
	bool *kept;              /* scalar variables that lie in scratch memory, too */
	struct callback *callback; /* the body of a for loop is built: what it shares with its surroundings */
	VEC(struct temp) temps;  /* stack objects, reused from statement to statement */
	uint32_t nesting;        /* of statements, from 1 */
	uint32_t stack_used;
	uint32_t scratch_used, scratch_most;
	bool large;              /* scratch memory is in IMAGE_LARGE */
	uint32_t keys;           /* stack bytes that merged keys hold */
	ref operand;             /* of the aggregation that is built: its value, and its shape */
	const struct hist_shape *shape;
	const struct tseries *series;
	const struct map *changed; /* the map that it is of */
	bool shared;             /* its words are those of all CPUs */
};

/* ---- build.c: control flow, programs ---------------------------------------------------- */

void build_list(struct build *, struct node *);
/* for over the members of a tuple, turn after turn. */
void build_for_tuple(struct build *, struct node *);
/* The variables' values now, to come back to. */
ref *vars_copy(const struct build *);
/* Does evaluating it assign to a variable? */
bool assigns(struct node *);
/* Branches on a condition; short-circuits become jumps. */
void build_condition(struct build *, struct node *, uint32_t then, uint32_t els);
/* Two ways that meet again, each with an open block, variables and (of an expression) a value. */
struct way {
	uint32_t block;
	ref *vars, value;
};
struct fork {
	uint32_t els, mark;
	ref *vars; /* as they were before */
	struct way first;
};
/* Builds the branch; what follows is the way on which the condition (a value, or a node) holds. */
struct fork fork_if(struct build *, ref cond);
struct fork fork_on(struct build *, struct node *cond);
/* The other way begins; the first one's value was this (0: none). */
void fork_else(struct build *, struct fork *, ref value);
/* Both meet; returns their joint value. */
ref fork_join(struct build *, struct fork *, ref value);
void build_finish(struct build *);
/* What this kind of program returns. */
bool returns_one(const struct build *);
/* At most `most`, whatever it is; as the verifier sees it, too. */
ref build_limit(struct build *, ref, uint32_t most);

/* ---- generate.c: functions ------------------------------------------------------------------ */

/* From here the function's code is built; its entry block stays empty until the end. */
uint32_t function_begin(struct build *);
/* The current block is the entry's: it looks scratch memory up, if need be, and goes on to the start. */
void function_end(struct build *, uint32_t start);

/* ---- build_for.c: loops whose bodies are functions that the kernel calls ---------------- */

enum leave { LEAVE_CONTINUE, LEAVE_BREAK, LEAVE_PROBE };

void build_for(struct build *, struct node *);
/* How many elements a map has, as the kernel finds when it goes over them. */
ref build_elements(struct build *, const struct map *);
/* Ends this turn of the loop (from its body). */
void leave_callback(struct build *, enum leave);

/* ---- build_access.c: fields and elements ------------------------------------------------- */

/* Where something remote is. */
ref build_remote_address(struct build *, struct node *);
/* Its value: of a scalar; else written to a place. */
ref build_remote_scalar(struct build *, struct node *);
void build_remote_into(struct build *, struct node *, struct place);
/* A member or element of something in our own memory: where it is; its value. */
struct place build_own_place(struct build *, struct node *);
ref build_own_scalar(struct build *, struct node *);

/* What the node stands for could not be read: counted, if `failed` is not zero. */
void count_fault(struct build *, const struct node *, ref failed);
/* The same of what is at the address that the node is, as build_address() has it: nothing is expected at
 * 0, and our own memory is always there. */
void count_fault_at(struct build *, struct node *, ref failed, ref address);

/* ---- build_value.c: scalars ------------------------------------------------------------- */

ref build_value(struct build *, struct node *);
/* Where a variable that is no scalar lies. */
struct place var_place(const struct build *, const struct var *);
/* A scalar variable's value; a new one, as it is. */
ref get_var(struct build *, const struct var *);
void put_var(struct build *, const struct var *, ref value);
/* Is it one that has a value in b->vars? */
bool var_is_value(const struct build *, const struct var *);
/* A scalar variable's new value: what its declared type holds of it. */
ref set_var(struct build *, const struct var *, ref value);
/* The same as a condition: of a string, its first byte. */
ref build_truth(struct build *, struct node *);
/* l op r with the script's rules, both of them 64-bit values. */
ref build_operator(struct build *, struct node *at, enum operator, ref l, ref r, const struct type *);
/* The value of a comparison or of && || as a condition is built by this: 0 if it is neither. */
ref build_comparison(struct build *, struct node *);
/* Reads memory of the traced system at an address: a scalar of that type. */
ref build_read_scalar(struct build *, ref address, enum space, const struct type *);
/* Where an argument of so many bytes that begins with word n is: in the context, on the stack, or copied. */
ref build_argument_address(struct build *, uint32_t n, uint32_t size);
/* How many bytes C has a scalar in. */
uint8_t scalar_width(const struct type *);
/* The helper that reads such memory. */
enum bpf_func_id read_helper(enum space);
/* Writes `size` bytes read at an address to a place; zeros if the address can't be read. The helper's
 * result: not zero if it can't. */
ref build_read(struct build *, enum space, struct place to, uint32_t size, ref address);
/* The string at an address, with its NUL, of at most `size` bytes (a value). How many bytes that were, or
 * a negative error. */
ref build_read_string(struct build *, enum space, struct place to, ref size, ref address);
/* Whose memory a pointer or array is in, as far as its type says. */
enum space address_space(const struct type *);

/* ---- build_memory.c: places ------------------------------------------------------------- */

void build_into(struct build *, struct node *, struct place);
/* A place of one's own until the statement ends. */
struct place build_temp(struct build *, const struct type *);
/* The address of a stack object until the statement ends. */
ref stack_temp(struct build *, uint32_t size);
/* A place, surely in scratch memory. */
struct place scratch_temp(struct build *, const struct type *);
uint32_t temps_mark(struct build *);
void temps_release(struct build *, uint32_t scratch_mark);
void build_copy(struct build *, struct place to, struct place from);
void build_zero_bytes(struct build *, ref base, int64_t off, uint32_t size);
void build_literal(struct build *, struct place, struct str);
/* A string, buffer or tuple where it already is, or in a temporary. */
struct place build_memory(struct build *, struct node *);
ref place_address(struct build *, struct place);
/* An address of the traced system: a number, or where an array or string stands. */
ref build_address(struct build *, struct node *, enum space *);
/* 1 if two values of one kind that lie in memory are equal. */
ref build_memory_equal(struct build *, struct node *, struct node *);
/* 1 if two strings are equal (in their first n bytes). */
ref build_string_equal(struct build *, struct node *, struct node *, uint64_t n);
bool in_memory(const struct type *);

/* ---- build_map.c ------------------------------------------------------------------------ */

ref build_map_fd(struct build *, const struct map *);
/* The number that an aggregation's words stand for: those at an address, which are all there are. */
ref build_aggregate_value(struct build *, const struct map *, ref words);
/* Is a helper's result an error? */
ref is_negative(struct build *, ref);
ref build_map_read(struct build *, struct node *);
/* The same of stats(): a record of three. */
void build_stats_into(struct build *, const struct map *, ref words, struct place to);
/* Is there such an element? */
ref build_map_has(struct build *, struct node *);
void build_map_read_into(struct build *, struct node *, struct place);
void build_map_assign(struct build *, struct node *map, struct node *value);
/* @m op= value; the result is the new value. */
ref build_map_update(struct build *, struct node *at, struct node *map, enum operator, ref value);
ref build_map_delete(struct build *, struct node *map);
void build_aggregation(struct build *, struct node *map, struct node *call);

/* ---- build_event.c ---------------------------------------------------------------------- */

/* Adds to a counter of the ledger. */
void ledger_add(struct build *, enum ledger_kind, const struct map *, struct span, int64_t n);
ref ledger_read(struct build *, enum ledger_kind, const struct map *);

/* The process id as our PID namespace has it. */
ref build_own_pid(struct build *);

/* ---- build_seq.c: what a pinned iterator prints ------------------------------------------- */

ref build_seq_printf(struct build *, struct node *);

/* ---- build_stack.c ---------------------------------------------------------------------- */

/* How many frames a stack has. */
ref build_stack_length(struct build *, struct node *);

/* ---- one function for each builtin ------------------------------------------------------ */

/* Scalars and statements ignore `to`; the rest write there and return 0. An aggregation's `to` is the
 * element that it updates. */
typedef ref build_function(struct build *, struct node *, struct place to);
#define BUILTIN(id, form, result, params, effect, doc) build_function build_##id;
#include "sema/builtins.def"
#undef BUILTIN
extern build_function *const build_table[BUILTINS];

#endif
