// SPDX-License-Identifier: Apache-2.0
/*
 * for: loops that the kernel runs. Their body is a function of its own that bpf_for_each_map_elem()
 * (Linux 5.13) or bpf_loop() (5.17) calls for each element or number, so the verifier sees it once.
 *
 * Variables are values, and a function has its own. What the body shares with its surroundings
 * travels in a frame on the caller's stack: the context, whether the probe is to end, a range's first
 * number, and the scalar variables that the body mentions. The body loads them when a turn begins and
 * stores them when it ends. Strings and such need none of that: they lie in the program's scratch
 * memory, which the body looks up anew.
 *
 * The verifier follows a body turn by turn until it sees nothing new. It never would if it knew the
 * value of a counter, so what a turn stores is hidden from it.
 */
#include "codegen/builder.h"

enum { FRAME_CTX = 0, FRAME_LEFT = 8, FRAME_FIRST = 16, FRAME_VARS = 24 };
enum { LOOP_MAX = 1 << 23 }; /* BPF_MAX_LOOPS, include/linux/bpf.h */

struct callback {
	ref frame;
	uint32_t *place; /* by variable: its offset in the frame; 0: it has none */
	bool *assigned;  /* by variable: by the body */
	bool leaves;     /* a turn may end the probe */
};

/* ---- what is shared --------------------------------------------------------------------- */

struct mentioned {
	struct build *b;
	uint32_t *place, size;
	bool *assigned;
};

static void find_mentioned(struct node *n, void *ctx)
{
	struct mentioned *m = ctx;
	const struct var *v = n->kind == N_LET ? n->let.var->var.var : ast_changed(n);

	if (n->kind == N_VAR && var_is_value(m->b, n->var.var) && !m->place[n->var.var->id]) {
		m->place[n->var.var->id] = m->size;
		m->size += 8;
	}
	if (v)
		m->assigned[v->id] = true;
	ast_children(n, find_mentioned, ctx);
}

static void store_vars(struct build *b, ref frame, const uint32_t *place)
{
	for (uint32_t i = 0; i < b->p->vars.n; i++)
		if (place[i])
			ir_store(b->fn, frame, place[i], b->vars[i] ? b->vars[i] : ir_const(b->fn, 0), 8);
}

static void load_vars(struct build *b, ref frame, const uint32_t *place)
{
	for (uint32_t i = 0; i < b->p->vars.n; i++)
		if (place[i])
			b->vars[i] = ir_load(b->fn, frame, place[i], 8);
}

/* The same value, as one that the verifier doesn't know. */
static ref hide(struct build *b, ref v)
{
	ref zero = ir_load(b->fn, ir_append(b->fn, OP_MAPVAL, 0, 0, (int64_t)IMAGE_ZERO << 32, 8), 0, 8);

	return ir_append(b->fn, OP_XOR, v, zero, 0, 8);
}

static void store_assigned(struct build *b, const struct callback *c)
{
	for (uint32_t i = 0; i < b->p->vars.n; i++)
		if (c->place[i] && c->assigned[i])
			ir_store(b->fn, c->frame, c->place[i],
				 hide(b, b->vars[i] ? b->vars[i] : ir_const(b->fn, 0)), 8);
}

/* ---- the body --------------------------------------------------------------------------- */

void leave_callback(struct build *b, enum leave how)
{
	if (!b->fn->current)
		return;
	store_assigned(b, b->callback);
	if (how == LEAVE_PROBE) {
		ir_store(b->fn, b->callback->frame, FRAME_LEFT, ir_const(b->fn, 1), 8);
		b->callback->leaves = true;
	}
	ir_return(b->fn, ir_const(b->fn, how != LEAVE_CONTINUE));
}

/* One half of the pair: a copy of what the kernel shows us. */
static void copy_half(struct build *b, struct place to, ref from, const struct map *value_of)
{
	if (value_of && value_of->agg)
		ir_store(b->fn, to.base, to.off, build_aggregate_value(b, value_of, from), 8);
	else if (in_memory(to.type))
		build_copy(b, to, (struct place){ from, 0, to.type });
	else
		ir_store(b->fn, to.base, to.off, ir_load(b->fn, from, 0, 8), 8);
}

static void build_pair(struct build *b, const struct node *n, ref key, ref value)
{
	const struct var *v = n->loop.var->var.var;
	const struct field *f = v->type->fields;
	struct place pair = var_place(b, v);

	copy_half(b, (struct place){ pair.base, pair.off + f[0].offset, f[0].type }, key, NULL);
	copy_half(b, (struct place){ pair.base, pair.off + f[1].offset, f[1].type }, value,
		  n->loop.test->map.map);
}

static void build_turn(struct build *b, struct node *n, const ref *arg)
{
	struct var *v = n->loop.var->var.var;

	load_vars(b, b->callback->frame, b->callback->place);
	if (n->loop.end)
		put_var(b, v, build_add(b, ir_load(b->fn, b->callback->frame, FRAME_FIRST, 8),
					ir_append(b->fn, OP_EXT, arg[0], 0, 0, 4)));
	else
		build_pair(b, n, arg[1], arg[2]);
	build_list(b, n->loop.body);
	leave_callback(b, LEAVE_CONTINUE);
}

/* The body as a function: its index. The kernel calls it with (map, key, value, frame) or, of a range,
 * with (index, frame). */
static uint32_t build_body(struct build *outer, struct node *n, struct callback *c)
{
	struct build b = *outer;
	struct fn *program = outer->fn->program;
	ref arg[4] = { 0 };
	uint32_t nargs = n->loop.end ? 2 : 4, entry, start;

	b.fn = ir_new(&b.s->work, arena_printf(&b.s->work, "%.8s_for%u", program->name,
					       program->callbacks.n));
	b.fn->program = program;
	b.fn->at = n->at.beg;
	b.callback = c;
	b.loop = NULL;
	b.temps.v = NULL;
	b.temps.n = b.temps.cap = 0;
	b.stack_used = b.keys = 0;
	entry = b.fn->current;
	start = function_begin(&b);
	for (uint32_t i = 0; i < nargs; i++)
		arg[i] = ir_new_ins(b.fn, OP_ARG, 0, 0, i, 8);
	c->frame = arg[nargs - 1];
	b.ctx = ir_new_ins(b.fn, OP_LOAD, c->frame, 0, FRAME_CTX, 8);
	b.vars = vars_copy(outer);
	for (uint32_t i = 0; i < b.p->vars.n; i++)
		b.vars[i] = 0;
	build_turn(&b, n, arg);
	ir_resume(b.fn, entry);
	for (uint32_t i = 0; i < nargs; i++)
		ir_place(b.fn, entry, arg[i]);
	ir_place(b.fn, entry, b.ctx);
	function_end(&b, start);
	outer->scratch_most = b.scratch_most;
	*vec_push(b.fn->arena, &program->callbacks) = b.fn;
	return program->callbacks.n - 1;
}

/* ---- the call --------------------------------------------------------------------------- */

/* How many turns; what passes the kernel's limit is so large that it refuses. */
static ref build_turns(struct build *b, ref first, ref end)
{
	ref some = ir_append(b->fn, OP_LT, first, end, 0, 8), n;
	struct fork k = fork_if(b, some);

	n = ir_append(b->fn, OP_SUB, end, first, 0, 8);
	fork_else(b, &k, build_limit(b, n, LOOP_MAX + 1));
	return fork_join(b, &k, ir_const(b->fn, 0));
}

static void count_refused(struct build *b, const struct node *n, ref r)
{
	struct fork k = fork_if(b, is_negative(b, r));

	ledger_add(b, LEDGER_LOOP, NULL, n->at, 1);
	fork_else(b, &k, 0);
	fork_join(b, &k, 0);
}

static void leave_if_left(struct build *b, ref frame)
{
	uint32_t stop = ir_block(b->fn), go = ir_block(b->fn);

	ir_branch(b->fn, ir_load(b->fn, frame, FRAME_LEFT, 8), stop, go);
	ir_enter(b->fn, stop);
	build_finish(b);
	ir_enter(b->fn, go);
}

void build_for(struct build *b, struct node *n)
{
	struct mentioned m = { b, arena_alloc(&b->s->work, (b->p->vars.n + 1) * sizeof *m.place),
			       FRAME_VARS, arena_alloc(&b->s->work, b->p->vars.n + 1) };
	ref first = n->loop.end ? build_value(b, n->loop.test) : ir_const(b->fn, 0);
	ref args[4] = { n->loop.end ? build_turns(b, first, build_value(b, n->loop.end))
				    : build_map_fd(b, n->loop.test->map.map) };
	struct callback c = { .place = m.place, .assigned = m.assigned };
	int64_t turns;
	ref r;

	/* Linux 6.18 refuses a function that it finds unreachable. */
	if (!b->fn->current || (n->loop.end && ir_is_const(b->fn, args[0], &turns) && !turns))
		return;
	for (struct node *k = n->loop.body; k; k = k->next)
		find_mentioned(k, &m);
	m.place[n->loop.var->var.var->id] = 0;
	args[2] = stack_temp(b, m.size);
	ir_store(b->fn, args[2], FRAME_CTX, b->ctx, 8);
	ir_store(b->fn, args[2], FRAME_LEFT, ir_const(b->fn, 0), 8);
	ir_store(b->fn, args[2], FRAME_FIRST, first, 8);
	store_vars(b, args[2], m.place);
	args[1] = ir_append(b->fn, OP_FUNC, 0, 0, build_body(b, n, &c), 8);
	args[3] = ir_const(b->fn, 0);
	r = ir_call(b->fn, n->loop.end ? BPF_FUNC_loop : BPF_FUNC_for_each_map_elem, 4, args);
	ir_clobber(b->fn);
	load_vars(b, args[2], m.place);
	if (n->loop.end && !(ir_is_const(b->fn, args[0], &turns) && turns <= LOOP_MAX))
		count_refused(b, n, r);
	if (c.leaves)
		leave_if_left(b, args[2]);
}

/* ---- counting --------------------------------------------------------------------------- */

ref build_elements(struct build *b, const struct map *m)
{
	struct fn *program = b->fn->program, *turn;
	ref args[4] = { build_map_fd(b, m), 0, ir_const(b->fn, 0), ir_const(b->fn, 0) };

	if (!b->fn->current)
		return 0;
	turn = ir_new(&b->s->work, arena_printf(&b->s->work, "%.8s_len%u", program->name,
						program->callbacks.n));
	turn->program = program;
	turn->at = b->fn->at;
	ir_return(turn, ir_const(turn, 0));
	*vec_push(turn->arena, &program->callbacks) = turn;
	args[1] = ir_append(b->fn, OP_FUNC, 0, 0, program->callbacks.n - 1, 8);
	return ir_append(b->fn, OP_EXT, ir_call(b->fn, BPF_FUNC_for_each_map_elem, 4, args), 0, 0, 4);
}
