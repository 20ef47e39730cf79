// SPDX-License-Identifier: Apache-2.0
/*
 * Scalars: one 64-bit value each, sign- or zero-extended as its type says.
 *
 * The rules of the language are here: unsigned division and logical right shifts at run time,
 * comparisons signed unless both sides are unsigned, a zero divisor that gives 1 and is counted.
 */
#include "codegen/builder.h"

static bool unsigned_side(const struct build *b, const struct node *n)
{
	int64_t v;

	if (const_value(b->s, n, &v))
		return v >= 0 || n->type == &type_uint64;
	return !n->type->sign;
}

/* ---- operators -------------------------------------------------------------------------- */

static ref build_divide(struct build *b, struct node *at, enum op op, ref l, ref r)
{
	struct fork k;
	int64_t v;

	if (ir_is_const(b->fn, r, &v) && v)
		return ir_append(b->fn, op, l, r, 0, 8);
	k = fork_if(b, r);
	fork_else(b, &k, ir_append(b->fn, op, l, r, 0, 8));
	ledger_add(b, LEDGER_DIV_ZERO, NULL, at->at, 1);
	return fork_join(b, &k, ir_const(b->fn, 1));
}

ref build_operator(struct build *b, struct node *at, enum operator op, ref l, ref r,
		   const struct type *type)
{
	static const enum op ops[OPERATORS] = {
		[O_ADD] = OP_ADD, [O_SUB] = OP_SUB, [O_MUL] = OP_MUL, [O_AND] = OP_AND,
		[O_OR] = OP_OR,   [O_XOR] = OP_XOR, [O_SHL] = OP_SHL, [O_SHR] = OP_SHR,
	};

	if (op == O_DIV || op == O_MOD)
		return build_divide(b, at, op == O_DIV ? OP_DIV : OP_MOD, l, r);
	/* Pointers move by what they point to. */
	if (type->kind == T_POINTER && type->of->size > 1)
		r = ir_append(b->fn, OP_MUL, r, ir_const(b->fn, type->of->size), 0, 8);
	return ir_append(b->fn, ops[op], l, r, 0, 8);
}

ref build_comparison(struct build *b, struct node *n)
{
	static const struct { enum op s, u; bool swapped; } ops[OPERATORS] = {
		[O_EQ] = { OP_EQ, OP_EQ, false }, [O_NE] = { OP_NE, OP_NE, false },
		[O_LT] = { OP_LT, OP_ULT, false }, [O_LE] = { OP_LE, OP_ULE, false },
		[O_GT] = { OP_LT, OP_ULT, true }, [O_GE] = { OP_LE, OP_ULE, true },
	};
	bool is_unsigned = unsigned_side(b, n->bin.l) && unsigned_side(b, n->bin.r);
	bool swapped = ops[n->bin.op].swapped;
	enum op op = is_unsigned ? ops[n->bin.op].u : ops[n->bin.op].s;
	ref l, r;

	if (in_memory(n->bin.l->type)) {
		r = n->bin.l->type->kind == T_STRING
			    ? build_string_equal(b, n->bin.l, n->bin.r, UINT64_MAX)
			    : build_memory_equal(b, n->bin.l, n->bin.r);
		return n->bin.op == O_EQ ? r : ir_append(b->fn, OP_EQ, r, ir_const(b->fn, 0), 0, 8);
	}
	l = build_value(b, n->bin.l);
	r = build_value(b, n->bin.r);
	return ir_append(b->fn, op, swapped ? r : l, swapped ? l : r, 0, 8);
}

ref build_truth(struct build *b, struct node *n)
{
	struct place text;

	if (!in_memory(n->type))
		return build_value(b, n);
	text = build_memory(b, n);
	return ir_load(b->fn, text.base, text.off, 1);
}

static ref as_bool(struct build *b, struct node *n)
{
	return ir_append(b->fn, OP_NE, build_truth(b, n), ir_const(b->fn, 0), 0, 8);
}

/* The right side runs only if the left one leaves it open. */
static ref build_logical(struct build *b, struct node *n)
{
	bool is_and = n->bin.op == O_LAND;
	struct fork k = fork_on(b, n->bin.l);
	ref first = is_and ? as_bool(b, n->bin.r) : ir_const(b->fn, 1), second;

	fork_else(b, &k, first);
	second = is_and ? ir_const(b->fn, 0) : as_bool(b, n->bin.r);
	return fork_join(b, &k, second);
}

static ref build_binary(struct build *b, struct node *n)
{
	ref l, r;

	if (n->bin.op == O_LAND || n->bin.op == O_LOR)
		return build_logical(b, n);
	if (n->bin.op >= O_EQ && n->bin.op <= O_GE)
		return build_comparison(b, n);
	l = build_value(b, n->bin.l);
	r = build_value(b, n->bin.r);
	/* integer + pointer: the integer is what is scaled */
	if (n->type->kind == T_POINTER && n->bin.l->type->kind != T_POINTER)
		return build_operator(b, n, n->bin.op, r, l, n->type);
	return build_operator(b, n, n->bin.op, l, r, n->type);
}

/* ---- memory of the traced system -------------------------------------------------------- */

/* An address that says nothing of itself: BPF's older, generic helpers tell user from kernel by its
 * value, which works where the two don't overlap. */
enum bpf_func_id read_helper(enum space space)
{
	return space == SPACE_KERNEL ? BPF_FUNC_probe_read_kernel
		: space == SPACE_USER ? BPF_FUNC_probe_read_user : BPF_FUNC_probe_read;
}

enum space address_space(const struct type *t)
{
	return t->kind == T_POINTER || t->kind == T_ARRAY ? t->space : SPACE_NONE;
}

ref build_read(struct build *b, enum space space, struct place to, uint32_t size, ref address)
{
	ref args[] = { place_address(b, to), ir_const(b->fn, size), address };

	return ir_call(b->fn, read_helper(space), 3, args);
}

uint8_t scalar_width(const struct type *t)
{
	return t->kind == T_INT ? (uint8_t)t->size : t->kind == T_BOOL ? 1 : 8;
}

ref build_read_scalar(struct build *b, ref address, enum space space, const struct type *t)
{
	uint8_t width = scalar_width(t);
	struct place to = build_temp(b, &type_uint64);
	ref v;

	build_read(b, space, to, width, address);
	v = ir_load(b->fn, to.base, to.off, width);
	return t->sign ? ir_append(b->fn, OP_EXT, v, 0, 1, width) : v;
}

static ref build_unary(struct build *b, struct node *n)
{
	ref v, zero;

	if (n->un.op == O_DEREF)
		return build_remote_scalar(b, n);
	if (n->un.op == O_ADDRESS)
		return build_remote_address(b, n->un.e);
	v = build_value(b, n->un.e);
	zero = ir_const(b->fn, 0);
	if (n->un.op == O_NOT)
		return ir_append(b->fn, OP_EQ, v, zero, 0, 8);
	v = n->un.op == O_BNOT ? ir_append(b->fn, OP_XOR, v, ir_const(b->fn, -1), 0, 8)
			       : ir_append(b->fn, OP_SUB, zero, v, 0, 8);
	return build_extended(b, v, scalar_width(n->type), n->type->sign);
}

/* ---- assignments --------------------------------------------------------------------------- */

bool var_is_value(const struct build *b, const struct var *v)
{
	return !in_memory(v->type) && !b->kept[v->id];
}

struct place var_place(const struct build *b, const struct var *v)
{
	ref own = b->vars[v->id];

	return (struct place){ own ? own : b->scratch, own ? 0 : b->var_offsets[v->id], v->type };
}

ref get_var(struct build *b, const struct var *v)
{
	if (b->kept[v->id])
		return ir_load(b->fn, b->scratch, b->var_offsets[v->id], 8);
	return b->vars[v->id] ? b->vars[v->id] : ir_const(b->fn, 0);
}

void put_var(struct build *b, const struct var *v, ref value)
{
	if (b->kept[v->id])
		ir_store(b->fn, b->scratch, b->var_offsets[v->id], value, 8);
	else
		b->vars[v->id] = value;
}

ref set_var(struct build *b, const struct var *v, ref value)
{
	if (v->declared && v->type->kind == T_INT)
		value = build_extended(b, value, v->type->size, v->type->sign);
	put_var(b, v, value);
	return value;
}

/* ---- ++ and -- -------------------------------------------------------------------------- */

static ref build_step(struct build *b, struct node *n)
{
	struct node *e = n->un.e;
	ref one = ir_const(b->fn, 1), before, after;

	if (e->kind == N_MAP) {
		after = build_map_update(b, n, e, n->un.op, one);
		return n->un.postfix ? ir_append(b->fn, n->un.op == O_ADD ? OP_SUB : OP_ADD, after, one, 0, 8)
				     : after;
	}
	before = build_value(b, e);
	after = build_operator(b, n, n->un.op, before, one, n->type);
	after = set_var(b, e->var.var, after);
	return n->un.postfix ? before : after;
}

/* ---- choice ----------------------------------------------------------------------------- */

static ref build_cond(struct build *b, struct node *n)
{
	struct fork k = fork_on(b, n->cond.test);
	ref second;

	fork_else(b, &k, build_value(b, n->cond.then));
	second = build_value(b, n->cond.els);
	return fork_join(b, &k, second);
}

/* ---- casts ------------------------------------------------------------------------------ */

/* An array's bytes as a number. */
static ref build_array_value(struct build *b, struct node *n)
{
	struct place from = build_memory(b, n);

	return ir_load(b->fn, from.base, from.off, 8);
}

static ref build_cast(struct build *b, struct node *n)
{
	ref v = in_memory(n->cast.e->type) ? build_array_value(b, n->cast.e) : build_value(b, n->cast.e);

	if (n->type->kind == T_BOOL)
		return ir_append(b->fn, OP_NE, v, ir_const(b->fn, 0), 0, 8);
	return n->type->kind == T_INT ? build_extended(b, v, n->type->size, n->type->sign) : v;
}

ref build_value(struct build *b, struct node *n)
{
	struct place nowhere = { 0 };
	int64_t v;

	if (const_value(b->s, n, &v))
		return ir_const(b->fn, v);
	switch (n->kind) {
	case N_NAME:
		return build_table[n->name.fn->id](b, n, nowhere);
	case N_CALL:
		return build_table[n->call.fn->id](b, n, nowhere);
	case N_MAP:
		return build_map_read(b, n);
	case N_VAR:
		return get_var(b, n->var.var);
	case N_BINARY:
		return build_binary(b, n);
	case N_UNARY:
		return build_unary(b, n);
	case N_STEP:
		return build_step(b, n);
	case N_COND:
		return build_cond(b, n);
	case N_MEMBER:
	case N_INDEX:
		return is_remote(n) ? build_remote_scalar(b, n) : build_own_scalar(b, n);
	case N_VALUE:
		build_list(b, n->block.list);
		return n->block.value && b->fn->current ? build_value(b, n->block.value) : 0;
	case N_CAST:
		return build_cast(b, n);
	default:
		return ir_const(b->fn, 0);
	}
}
