// SPDX-License-Identifier: Apache-2.0
/*
 * Events: records in the ring buffer that the runtime acts on, in order; and the ledger, where what
 * found no room is counted.
 *
 * Scalar arguments are computed before the record is reserved, the rest is written straight into it.
 */
#include "codegen/builder.h"

#include <string.h>

/* ---- the ledger ------------------------------------------------------------------------- */

static uint32_t ledger_index(struct build *b, enum ledger_kind kind, const struct map *m, struct span at)
{
	struct ledger_entry *e;

	for (uint32_t i = 0; i < b->image->ledger.n; i++) {
		e = &b->image->ledger.v[i];
		if (e->kind == kind && e->map == m && (kind < LEDGER_DIV_ZERO || e->at.beg == at.beg))
			return i;
	}
	e = vec_push(&b->s->arena, &b->image->ledger);
	*e = (struct ledger_entry){ kind, m, at };
	return b->image->ledger.n - 1;
}

static ref ledger_address(struct build *b, uint32_t index)
{
	return ir_append(b->fn, OP_MAPVAL, 0, 0, (int64_t)((uint64_t)IMAGE_LEDGER << 32 | index * 8), 8);
}

void ledger_add(struct build *b, enum ledger_kind kind, const struct map *m, struct span at, int64_t n)
{
	ir_append(b->fn, OP_ATOMIC, ledger_address(b, ledger_index(b, kind, m, at)),
		  ir_const(b->fn, n), 0, 8);
}

ref ledger_read(struct build *b, enum ledger_kind kind, const struct map *m)
{
	struct span nowhere = { 0, 0 };

	return ir_load(b->fn, ledger_address(b, ledger_index(b, kind, m, nowhere)), 0, 8);
}

/* ---- records ---------------------------------------------------------------------------- */

struct record {
	ref address;
	struct fork got;
};

/* Its number. Arguments may make events of their own: print({ print(1); 2 }). */
static uint32_t new_event(struct build *b, struct node *n, enum event_kind kind)
{
	*vec_push(&b->s->arena, &b->image->events) = (struct event){ .kind = kind, .at = n->at };
	return b->image->events.n - 1;
}

/* Good until the next one is made. */
static struct event *event_at(struct build *b, uint32_t number)
{
	return &b->image->events.v[number];
}

static struct record record_begin(struct build *b, uint32_t event, uint32_t size)
{
	struct fn *f = b->fn;
	ref args[] = { ir_append(f, OP_MAPFD, 0, 0, IMAGE_RINGBUF, 8),
		       ir_const(f, EVENT_HEADER + size), ir_const(f, 0) };
	struct record r = { .address = ir_call(f, BPF_FUNC_ringbuf_reserve, 3, args) };

	r.got = fork_if(b, r.address);
	ir_store(f, r.address, 0, ir_const(f, event), 8);
	return r;
}

static void record_end(struct build *b, struct record *r)
{
	ref args[] = { r->address, ir_const(b->fn, 0) };
	struct span nowhere = { 0, 0 };

	ir_call(b->fn, BPF_FUNC_ringbuf_submit, 2, args);
	fork_else(b, &r->got, 0);
	ledger_add(b, LEDGER_LOST_EVENTS, NULL, nowhere, 1);
	fork_join(b, &r->got, 0);
}

static const struct type *tuple_of(struct build *b, struct node *args)
{
	const struct type **member;
	uint32_t n = 0, i = 0;

	for (struct node *a = args; a; a = a->next)
		n++;
	member = arena_alloc(&b->s->work, (n + 1) * sizeof *member);
	for (struct node *a = args; a; a = a->next)
		member[i++] = a->type;
	return n ? type_tuple(&b->s->types, member, n) : NULL;
}

static void find_statements(struct node *n, void *found)
{
	*(bool *)found |= n->kind == N_VALUE && n->block.list;
	ast_children(n, find_statements, found);
}

/* An argument's value, or where it lies; neither: it is written straight into the record. */
struct argument {
	ref value;
	struct place place;
};

/* Statements among the arguments may send events, which come first, and change what others read. */
static struct argument *arguments(struct build *b, struct node *args)
{
	struct argument *arg = arena_alloc(&b->s->work, (list_length(args) + 1) * sizeof *arg);
	bool acts = false;
	uint32_t i = 0;

	for (struct node *a = args; a; a = a->next)
		find_statements(a, &acts);
	for (struct node *a = args; a; a = a->next, i++) {
		if (type_is_scalar(a->type)) {
			arg[i].value = build_value(b, a);
		} else if (acts) {
			arg[i].place = build_temp(b, a->type);
			build_into(b, a, arg[i].place);
		}
	}
	return arg;
}

static void send_arguments(struct build *b, uint32_t event, struct node *args, const struct argument *arg)
{
	const struct type *tuple = event_at(b, event)->args = tuple_of(b, args);
	struct record r = record_begin(b, event, tuple ? type_slot(tuple) : 0);
	uint32_t i = 0;

	for (struct node *a = args; a; a = a->next, arg++, i++) {
		struct place to = { r.address, EVENT_HEADER + tuple->fields[i].offset, a->type };

		if (type_is_scalar(a->type))
			ir_store(b->fn, to.base, to.off, arg->value, 8);
		else if (arg->place.type)
			build_copy(b, to, arg->place);
		else
			build_into(b, a, to);
	}
	record_end(b, &r);
}

/* An event whose record holds the values of the expressions. */
static void send(struct build *b, uint32_t event, struct node *args)
{
	send_arguments(b, event, args, arguments(b, args));
}

/* A format and its arguments, for the runtime to do something with the text. */
static ref send_formatted(struct build *b, struct node *n, enum event_kind kind)
{
	uint32_t event = new_event(b, n, kind);
	struct str fmt;

	literal_text(b->s, n->call.args, &fmt);
	event_at(b, event)->fmt = str_of(str_dup(&b->s->arena, fmt));
	send(b, event, n->call.args->next);
	return 0;
}

#define FORMATTED(name, kind)                                                                      \
	ref build_##name(struct build *b, struct node *n, struct place to __attribute__((unused))) \
	{                                                                                          \
		return send_formatted(b, n, kind);                                                 \
	}

FORMATTED(errorf, EV_ERRORF)
FORMATTED(warnf, EV_WARNF)
FORMATTED(cat, EV_CAT)
FORMATTED(system, EV_SYSTEM)

ref build_printf(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return b->target->pin ? build_seq_printf(b, n) : send_formatted(b, n, EV_PRINTF);
}

ref build_print(struct build *b, struct node *n, struct place to)
{
	struct node *arg = n->call.args, *top = arg->next;
	bool whole_map = arg->kind == N_MAP && !arg->map.key;
	uint32_t event = new_event(b, n, whole_map ? EV_PRINT_MAP : EV_PRINT_VALUE);
	struct event *e = event_at(b, event);

	(void)to;
	/* A keyless number is a value of its own, but prints with its name. */
	if (!whole_map) {
		struct node *after = arg->next;

		arg->next = NULL;
		send(b, event, arg);
		arg->next = after;
		return 0;
	}
	e->map = arg->map.map;
	if (top)
		const_value(b->s, top, &e->top);
	if (top && top->next)
		const_value(b->s, top->next, &e->div);
	send(b, event, NULL);
	return 0;
}

static ref send_map(struct build *b, struct node *n, enum event_kind kind)
{
	uint32_t event = new_event(b, n, kind);

	event_at(b, event)->map = n->call.args->map.map;
	send(b, event, NULL);
	return 0;
}

ref build_clear(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return send_map(b, n, EV_CLEAR);
}

ref build_zero(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return send_map(b, n, EV_ZERO);
}

ref build_time(struct build *b, struct node *n, struct place to)
{
	uint32_t event = new_event(b, n, EV_TIME);
	struct str fmt = STR("%H:%M:%S\n");

	(void)to;
	if (n->call.args)
		literal_text(b->s, n->call.args, &fmt);
	event_at(b, event)->fmt = str_of(str_dup(&b->s->arena, fmt));
	send(b, event, NULL);
	return 0;
}

/* Should the ring buffer be full of other events, the runtime still learns that it is to end. */
static void note_exit(struct build *b, ref status)
{
	struct span nowhere = { 0, 0 };
	ref address = ledger_address(b, ledger_index(b, LEDGER_EXIT, NULL, nowhere));
	ref low = ir_append(b->fn, OP_EXT, status, 0, 0, 4);

	ir_store(b->fn, address, 0, ir_append(b->fn, OP_OR, low, ir_const(b->fn, 1ll << 32), 0, 8), 8);
}

ref build_exit(struct build *b, struct node *n, struct place to)
{
	uint32_t event = new_event(b, n, EV_EXIT);
	const struct argument *status = arguments(b, n->call.args);

	(void)to;
	note_exit(b, n->call.args ? status->value : ir_const(b->fn, 0));
	send_arguments(b, event, n->call.args, status);
	build_finish(b);
	return 0;
}

enum { JOIN_ARGS = 16, JOIN_SIZE = 1024 };

/* The record is reserved first: its 16 strings are too large for anywhere else. */
ref build_join(struct build *b, struct node *n, struct place to)
{
	uint32_t event = new_event(b, n, EV_JOIN);
	const struct type *member[JOIN_ARGS + 1] = { &type_uint64 };
	enum space space = address_space(n->call.args->type);
	struct str separator = STR(" ");
	ref argv = build_value(b, n->call.args), alive = ir_const(b->fn, 1), count = ir_const(b->fn, 0);
	struct event *e = event_at(b, event);
	struct record r;

	(void)to;
	if (n->call.args->next)
		literal_text(b->s, n->call.args->next, &separator);
	for (uint32_t i = 1; i <= JOIN_ARGS; i++)
		member[i] = type_string(&b->s->types, JOIN_SIZE);
	e->fmt = str_of(str_dup(&b->s->arena, separator));
	e->args = type_tuple(&b->s->types, member, JOIN_ARGS + 1);
	r = record_begin(b, event, type_slot(e->args));
	for (uint32_t i = 0; i < JOIN_ARGS; i++) {
		ref at = build_add(b, argv, ir_const(b->fn, i * 8));
		ref text = build_read_scalar(b, at, space, &type_uint64);

		alive = ir_append(b->fn, OP_AND, alive,
				  ir_append(b->fn, OP_NE, text, ir_const(b->fn, 0), 0, 8), 0, 8);
		count = build_add(b, count, alive);
		build_read_string(b, space, (struct place){ r.address,
				  EVENT_HEADER + e->args->fields[i + 1].offset, member[i + 1] },
				  ir_const(b->fn, JOIN_SIZE), text);
	}
	ir_store(b->fn, r.address, EVENT_HEADER, count, 8);
	record_end(b, &r);
	return 0;
}
