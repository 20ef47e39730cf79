// SPDX-License-Identifier: Apache-2.0
/*
 * Statements and control flow: typed AST -> IR blocks.
 *
 * Variables are values, not memory: b->vars maps each to its value now. Where two ways join, what
 * differs becomes a phi; a loop's phis are made before its body, for every variable that the body
 * assigns. Strings and such have a fixed address instead, and need no phi.
 */
#include "codegen/builder.h"

#include <string.h>

static void build_statement(struct build *, struct node *);

ref build_ctx_load(struct build *b, int32_t offset, uint32_t size, bool sign)
{
	ref v = ir_load(b->fn, b->ctx, offset, (uint8_t)size);

	return sign && size < 8 ? ir_append(b->fn, OP_EXT, v, 0, 1, (uint8_t)size) : v;
}

ref build_const(struct build *b, int64_t value)
{
	return ir_const(b->fn, value);
}

ref build_add(struct build *b, ref l, ref r)
{
	return ir_append(b->fn, OP_ADD, l, r, 0, 8);
}

/* ---- joins ------------------------------------------------------------------------------ */

ref *vars_copy(const struct build *b)
{
	ref *copy = arena_alloc(&b->s->work, (b->p->vars.n + 1) * sizeof *copy);

	memcpy(copy, b->vars, b->p->vars.n * sizeof *copy);
	return copy;
}

static struct way end_way(struct build *b, ref value)
{
	return (struct way){ ir_leave(b->fn), b->vars, value };
}

static struct fork start_fork(struct build *b, uint32_t then, uint32_t els, uint32_t mark)
{
	struct fork k = { .els = els, .mark = mark, .vars = vars_copy(b) };

	ir_enter(b->fn, then);
	return k;
}

struct fork fork_if(struct build *b, ref cond)
{
	uint32_t then = ir_block(b->fn), els = ir_block(b->fn), mark = ir_scope(b->fn);

	ir_branch(b->fn, cond, then, els);
	return start_fork(b, then, els, mark);
}

struct fork fork_on(struct build *b, struct node *cond)
{
	uint32_t then = ir_block(b->fn), els = ir_block(b->fn), mark = ir_scope(b->fn);

	build_condition(b, cond, then, els);
	return start_fork(b, then, els, mark);
}

void fork_else(struct build *b, struct fork *k, ref value)
{
	k->first = end_way(b, value);
	ir_unscope(b->fn, k->mark);
	b->vars = k->vars;
	ir_enter(b->fn, k->els);
}

static ref join_ways(struct build *b, struct way x, struct way y)
{
	struct fn *f = b->fn;
	uint32_t join = ir_block(f);
	VEC(ref) phis = { 0 };
	ref value = x.value;

	if (!x.block || !y.block) {
		struct way *one = x.block ? &x : &y;

		b->vars = one->vars;
		ir_resume(f, one->block);
		return one->value;
	}
	b->vars = vars_copy(&(struct build){ .s = b->s, .p = b->p, .vars = x.vars });
	for (uint32_t i = 0; i <= b->p->vars.n; i++) {
		bool is_value = i == b->p->vars.n;
		ref l = is_value ? x.value : x.vars[i], r = is_value ? y.value : y.vars[i], phi;

		if (l == r)
			continue;
		phi = ir_phi(f);
		*vec_push(&b->s->work, &phis) = phi;
		/* Assigned on one way only: it was 0. */
		ir_resume(f, x.block);
		ir_set(f, phi, l ? l : ir_const(f, 0));
		ir_resume(f, y.block);
		ir_set(f, phi, r ? r : ir_const(f, 0));
		*(is_value ? &value : &b->vars[i]) = phi;
	}
	ir_resume(f, x.block);
	ir_jump(f, join);
	ir_resume(f, y.block);
	ir_jump(f, join);
	ir_enter(f, join);
	for (uint32_t i = 0; i < phis.n; i++)
		ir_place(f, join, phis.v[i]);
	return value;
}

ref fork_join(struct build *b, struct fork *k, ref value)
{
	struct way second = end_way(b, value);

	ir_unscope(b->fn, k->mark);
	return join_ways(b, k->first, second);
}

/* ---- conditions ------------------------------------------------------------------------- */

static void build_short_circuit(struct build *b, struct node *n, uint32_t then, uint32_t els)
{
	uint32_t right = ir_block(b->fn), mark;

	if (n->bin.op == O_LAND)
		build_condition(b, n->bin.l, right, els);
	else
		build_condition(b, n->bin.l, then, right);
	ir_enter(b->fn, right);
	mark = ir_scope(b->fn);
	build_condition(b, n->bin.r, then, els);
	ir_unscope(b->fn, mark);
}

static void find_step(struct node *n, void *ctx)
{
	if (n->kind == N_STEP || n->kind == N_ASSIGN || n->kind == N_LET || n->kind == N_FOR)
		*(bool *)ctx = true;
	ast_children(n, find_step, ctx);
}

bool assigns(struct node *n)
{
	bool steps = false;

	find_step(n, &steps);
	return steps;
}

void build_condition(struct build *b, struct node *n, uint32_t then, uint32_t els)
{
	bool holds;

	if (const_condition(b->s, n, &holds)) {
		ir_jump(b->fn, holds ? then : els);
		return;
	}
	if (n->kind == N_UNARY && n->un.op == O_NOT) {
		build_condition(b, n->un.e, els, then);
		return;
	}
	/* What assigns to variables must have its two ways joined, not just jumped. */
	if (n->kind == N_BINARY && (n->bin.op == O_LAND || n->bin.op == O_LOR) && !assigns(n))
		build_short_circuit(b, n, then, els);
	else
		ir_branch(b->fn, build_truth(b, n), then, els);
}

static void build_if(struct build *b, struct node *n)
{
	struct fork k = fork_on(b, n->cond.test);

	build_list(b, n->cond.then);
	fork_else(b, &k, 0);
	build_list(b, n->cond.els);
	fork_join(b, &k, 0);
}

/* ---- loops ------------------------------------------------------------------------------ */

struct assigned {
	struct build *b;
	struct loop *loop;
	bool breaks;
};

static void find_assigned(struct node *n, void *ctx)
{
	struct assigned *a = ctx;
	const struct var *v = ast_changed(n);

	if (v && var_is_value(a->b, v))
		a->loop->head_phi[v->id] = a->loop->exit_phi[v->id] = 1;
	a->breaks |= n->kind == N_BREAK;
	ast_children(n, find_assigned, ctx);
}

/* Sets a block's phis from the variables, as if at once: a value that is itself one of the phis is
 * copied first. */
static void set_phis(struct build *b, const ref *phi)
{
	ref *value = vars_copy(b);

	for (uint32_t i = 0; i < b->p->vars.n; i++) {
		if (!phi[i])
			continue;
		if (!value[i])
			value[i] = ir_const(b->fn, 0);
		if (value[i] != phi[i] && b->fn->ins.v[value[i]].op == OP_PHI)
			value[i] = ir_append(b->fn, OP_COPY, value[i], 0, 0, 8);
	}
	for (uint32_t i = 0; i < b->p->vars.n; i++)
		if (phi[i] && value[i] != phi[i])
			ir_set(b->fn, phi[i], value[i]);
}

static void enter_with_phis(struct build *b, uint32_t block, const ref *phi)
{
	ir_enter(b->fn, block);
	for (uint32_t i = 0; i < b->p->vars.n; i++)
		if (phi[i]) {
			ir_place(b->fn, block, phi[i]);
			b->vars[i] = phi[i];
		}
}

static void leave_to(struct build *b, uint32_t block, const ref *phi)
{
	if (!b->fn->current)
		return;
	set_phis(b, phi);
	ir_jump(b->fn, block);
}

static void start_loop(struct build *b, struct node *n, struct loop *l, struct assigned *a)
{
	size_t size = (b->p->vars.n + 1) * sizeof(ref);

	*l = (struct loop){ .outer = b->loop, .head = ir_block(b->fn), .exit = ir_block(b->fn),
			    .head_phi = arena_alloc(&b->s->work, size),
			    .exit_phi = arena_alloc(&b->s->work, size) };
	*a = (struct assigned){ b, l, false };
	ast_children(n, find_assigned, a);
	if (n->kind == N_FOR && var_is_value(b, n->loop.var->var.var))
		l->head_phi[n->loop.var->var.var->id] = l->exit_phi[n->loop.var->var.var->id] = 1;
	for (uint32_t i = 0; i < b->p->vars.n; i++)
		if (l->head_phi[i]) {
			l->head_phi[i] = ir_phi(b->fn);
			l->exit_phi[i] = ir_phi(b->fn);
		}
	b->loop = l;
}

static void build_while(struct build *b, struct node *n)
{
	struct fn *f = b->fn;
	uint32_t body = ir_block(f), done = ir_block(f), mark = ir_scope(f);
	struct assigned a;
	struct loop l;

	if (!f->current)
		return;
	start_loop(b, n, &l, &a);
	leave_to(b, l.head, l.head_phi);
	ir_clobber(f); /* what a LOOKUP found before may change in the loop */
	enter_with_phis(b, l.head, l.head_phi);
	build_condition(b, n->loop.test, body, done);
	ir_enter(f, body);
	{
		ref *at_test = vars_copy(b);

		build_list(b, n->loop.body);
		leave_to(b, l.head, l.head_phi);
		b->vars = at_test;
	}
	f->blocks.v[l.head].loop_end = f->order.v[f->order.n - 1];
	ir_unscope(f, mark);
	ir_clobber(f);
	ir_enter(f, done);
	leave_to(b, l.exit, l.exit_phi);
	enter_with_phis(b, l.exit, l.exit_phi);
	b->loop = l.outer;
}

/* The variable of this turn. */
static void build_member_turn(struct build *b, const struct var *v, struct place tuple, const struct field *f)
{
	struct place member = { tuple.base, tuple.off + f->offset, f->type };

	if (in_memory(v->type))
		build_copy(b, var_place(b, v), member);
	else
		put_var(b, v, ir_load(b->fn, member.base, member.off, 8));
}

/* The body once for each member: `continue` goes on to the next turn, `break` behind all of them. */
void build_for_tuple(struct build *b, struct node *n)
{
	const struct var *v = n->loop.var->var.var;
	struct place tuple = build_temp(b, n->loop.test->type);
	uint32_t mark = ir_scope(b->fn);
	struct loop whole, turn;
	struct assigned a;

	build_into(b, n->loop.test, tuple);
	if (!b->fn->current)
		return;
	start_loop(b, n, &whole, &a);
	for (uint32_t i = 0; i < tuple.type->nfields; i++) {
		start_loop(b, n, &turn, &a);
		turn.exit = whole.exit;
		turn.exit_phi = whole.exit_phi;
		build_member_turn(b, v, tuple, &tuple.type->fields[i]);
		build_list(b, n->loop.body);
		leave_to(b, turn.head, turn.head_phi);
		ir_unscope(b->fn, mark);
		ir_clobber(b->fn);
		enter_with_phis(b, turn.head, turn.head_phi);
		b->loop = &whole;
	}
	leave_to(b, whole.exit, whole.exit_phi);
	enter_with_phis(b, whole.exit, whole.exit_phi);
	b->loop = whole.outer;
}

static void build_break(struct build *b, bool breaks)
{
	if (!b->loop)
		leave_callback(b, breaks ? LEAVE_BREAK : LEAVE_CONTINUE);
	else if (breaks)
		leave_to(b, b->loop->exit, b->loop->exit_phi);
	else
		leave_to(b, b->loop->head, b->loop->head_phi);
}

static void build_unroll(struct build *b, struct node *n)
{
	int64_t times = 0;

	const_value(b->s, n->loop.test, &times);
	while (times-- > 0)
		build_list(b, n->loop.body);
}

/* ---- statements ------------------------------------------------------------------------- */

static void assign_var(struct build *b, struct node *n)
{
	struct var *v = n->bin.l->var.var;
	ref before, value;

	if (in_memory(v->type)) {
		/* Through a temporary: the value may be made of the variable itself. */
		build_copy(b, var_place(b, v), build_memory(b, n->bin.r));
		return;
	}
	before = get_var(b, v);
	value = build_value(b, n->bin.r);
	if (n->bin.compound)
		value = build_operator(b, n, n->bin.op, before, value, v->type);
	set_var(b, v, value);
}

static void build_assign(struct build *b, struct node *n)
{
	struct node *l = n->bin.l;

	if (l->kind == N_VAR)
		assign_var(b, n);
	else if (aggregation_of(n->bin.r))
		build_aggregation(b, l, n->bin.r);
	else if (n->bin.compound)
		build_map_update(b, n, l, n->bin.op, build_value(b, n->bin.r));
	else
		build_map_assign(b, l, n->bin.r);
}

/* Each time anew: zero. */
static void build_let(struct build *b, struct node *n)
{
	const struct var *v = n->let.var->var.var;

	if (n->let.assign)
		build_assign(b, n->let.assign);
	else if (in_memory(v->type))
		build_zero_bytes(b, var_place(b, v).base, var_place(b, v).off, type_slot(v->type));
	else
		put_var(b, v, ir_const(b->fn, 0));
}

static void build_expr_statement(struct build *b, struct node *e)
{
	if (in_memory(e->type))
		build_memory(b, e);
	else
		build_value(b, e);
}

static void build_statement(struct build *b, struct node *n)
{
	switch (n->kind) {
	case N_EXPR:
	case N_DISCARD:
		build_expr_statement(b, n->un.e);
		break;
	case N_LET:
		build_let(b, n);
		break;
	case N_BLOCK:
		build_list(b, n->list);
		break;
	case N_FOR:
		if (for_tuple(n))
			build_for_tuple(b, n);
		else
			build_for(b, n);
		break;
	case N_ASSIGN:
		build_assign(b, n);
		break;
	case N_IF:
		build_if(b, n);
		break;
	case N_WHILE:
		build_while(b, n);
		break;
	case N_UNROLL:
		build_unroll(b, n);
		break;
	case N_BREAK:
	case N_CONTINUE:
		build_break(b, n->kind == N_BREAK);
		break;
	case N_RETURN:
		if (n->un.e)
			build_expr_statement(b, n->un.e);
		build_finish(b);
		break;
	default:
		break;
	}
}

void build_list(struct build *b, struct node *n)
{
	for (; n && b->fn->current; n = n->next) {
		uint32_t mark = temps_mark(b);

		b->fn->at = n->at.beg;
		build_statement(b, n);
		temps_release(b, mark);
	}
}

/* A tracepoint program that returns 0 would hide the event from other users of perf; one's own
 * kprobes and timers have none. */
bool returns_one(const struct build *b)
{
	return b->ap->kind->type == BPF_PROG_TYPE_TRACEPOINT;
}

void build_finish(struct build *b)
{
	if (b->callback)
		leave_callback(b, LEAVE_PROBE);
	else
		ir_return(b->fn, ir_const(b->fn, returns_one(b)));
}
