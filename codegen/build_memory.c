// SPDX-License-Identifier: Apache-2.0
/*
 * Values in memory: strings, buffers, tuples, arrays. They are built where their consumer wants them
 * (a key, a record in the ring buffer, a map's value), and every slot is written whole: bytes behind a
 * string's end are zero, so that equal strings are equal keys, and comparisons go by words.
 *
 * Small temporaries lie on the stack and are reused from statement to statement; large ones lie in the
 * program's entry of the per-CPU scratch map.
 */
#include "codegen/builder.h"

#include <string.h>

/* Beyond this many bytes a helper copies. And what is larger, or does not fit, is no stack object. */
enum { COPY_INLINE = 128, STACK_OBJECT = 64, STACK_BUDGET = 320 };
/* A program and its loops' bodies share 512 bytes of stack. */
enum { STACK_BUDGET_FOR = 96 };

bool in_memory(const struct type *t)
{
	return !type_is_scalar(t) && t->kind != T_VOID;
}

ref place_address(struct build *b, struct place p)
{
	return ir_append(b->fn, OP_ADD, p.base, ir_const(b->fn, p.off), 0, 8);
}

/* ---- temporaries ------------------------------------------------------------------------ */

/* One that nobody uses now, neither too small nor much too large. */
static struct temp *free_temp(const struct build *b, uint32_t size)
{
	for (uint32_t i = 0; i < b->temps.n; i++)
		if (!b->temps.v[i].busy && b->temps.v[i].size >= size && b->temps.v[i].size <= size + 16)
			return &b->temps.v[i];
	return NULL;
}

ref stack_temp(struct build *b, uint32_t size)
{
	struct temp *t = free_temp(b, size);

	if (!t) {
		t = vec_push(&b->s->work, &b->temps);
		*t = (struct temp){ ir_slot(b->fn, size), size, 0 };
		b->stack_used += size;
	}
	t->busy = b->nesting;
	return t->address;
}

static bool fits_stack(const struct build *b, uint32_t size)
{
	if (size > STACK_OBJECT)
		return false;
	return free_temp(b, size) ||
	       b->stack_used + b->keys + size <= (b->has_callbacks ? STACK_BUDGET_FOR : STACK_BUDGET);
}

struct place scratch_temp(struct build *b, const struct type *t)
{
	struct place p = { b->scratch, b->scratch_used, t };

	b->scratch_used += type_slot(t);
	if (b->scratch_used > b->scratch_most)
		b->scratch_most = b->scratch_used;
	return p;
}

struct place build_temp(struct build *b, const struct type *t)
{
	uint32_t size = type_slot(t);

	return fits_stack(b, size) ? (struct place){ stack_temp(b, size), 0, t } : scratch_temp(b, t);
}

/* Statements nest: an expression may hold some. Each takes back what it took, not its surroundings'. */
uint32_t temps_mark(struct build *b)
{
	b->nesting++;
	return b->scratch_used;
}

void temps_release(struct build *b, uint32_t scratch_mark)
{
	b->scratch_used = scratch_mark;
	for (uint32_t i = 0; i < b->temps.n; i++)
		if (b->temps.v[i].busy >= b->nesting)
			b->temps.v[i].busy = 0;
	b->nesting--;
}

/* ---- bytes ------------------------------------------------------------------------------ */

static void copy_by_helper(struct build *b, ref to, uint32_t size, ref from)
{
	ref args[] = { to, ir_const(b->fn, size), from };

	ir_call(b->fn, BPF_FUNC_probe_read_kernel, 3, args);
}

void build_zero_bytes(struct build *b, ref base, int64_t off, uint32_t size)
{
	if (size > COPY_INLINE) {
		struct image_map *zero = &b->image->maps.v[IMAGE_ZERO];

		if (zero->value_size < size)
			zero->value_size = size;
		copy_by_helper(b, place_address(b, (struct place){ base, off, NULL }), size,
			       ir_append(b->fn, OP_MAPVAL, 0, 0, (int64_t)IMAGE_ZERO << 32, 8));
		return;
	}
	for (uint32_t i = 0; i < size; i += 8)
		ir_store(b->fn, base, off + i, ir_const(b->fn, 0), 8);
}

/* C lays fields out by their own sizes: words of the stack can't be had from there. */
static void copy_bytes(struct build *b, struct place to, ref from, int64_t from_off, uint32_t size)
{
	if (size > COPY_INLINE || from_off % 8) {
		copy_by_helper(b, place_address(b, to), size,
			       place_address(b, (struct place){ from, from_off, NULL }));
		return;
	}
	for (uint32_t i = 0; i < size; i += 8)
		ir_store(b->fn, to.base, to.off + i, ir_load(b->fn, from, from_off + i, 8), 8);
}

/* Tuples may hold strings of other lengths, records their members in another order: member by member then. */
void build_copy(struct build *b, struct place to, struct place from)
{
	uint32_t have = type_slot(from.type), want = type_slot(to.type);

	if (to.type->kind == T_TUPLE && to.type != from.type) {
		for (uint32_t i = 0; i < to.type->nfields; i++) {
			const struct field *t = &to.type->fields[i], *s = member_like(from.type, to.type, i);

			build_copy(b, (struct place){ to.base, to.off + t->offset, t->type },
				   (struct place){ from.base, from.off + s->offset, s->type });
		}
		return;
	}
	if (from.off % 8 || (from.type->size % 8 && (from.type->kind == T_ARRAY || from.type->kind == T_STRUCT))) {
		/* behind a field's end is the next one */
		build_zero_bytes(b, to.base, to.off, want);
		copy_by_helper(b, place_address(b, to),
			       from.type->size < to.type->size ? from.type->size : to.type->size,
			       place_address(b, from));
		return;
	}
	copy_bytes(b, to, from.base, from.off, have < want ? have : want);
	if (have < want)
		build_zero_bytes(b, to.base, to.off + have, want - have);
}

void build_literal(struct build *b, struct place to, struct str text)
{
	uint32_t slot = type_slot(to.type);

	for (uint32_t i = 0; i < slot && i < text.len + 8; i += 8) {
		int64_t word = 0;

		if (i < text.len)
			memcpy(&word, text.s + i, text.len - i < 8 ? text.len - i : 8);
		ir_store(b->fn, to.base, to.off + i, ir_const(b->fn, word), 8);
	}
	if (slot > ((text.len + 8) & ~7u))
		build_zero_bytes(b, to.base, to.off + ((text.len + 8) & ~7u), slot - ((text.len + 8) & ~7u));
}

/* ---- expressions ------------------------------------------------------------------------ */

static void build_cond_into(struct build *b, struct node *n, struct place to)
{
	struct fork k = fork_on(b, n->cond.test);

	build_into(b, n->cond.then, to);
	fork_else(b, &k, 0);
	build_into(b, n->cond.els, to);
	fork_join(b, &k, 0);
}

static void build_record_into(struct build *b, struct node *n, struct place to)
{
	for (struct node *f = n->list; f; f = f->next) {
		const struct field *member = type_field(to.type, f->member.name);

		build_into(b, f->member.base, (struct place){ to.base, to.off + member->offset, member->type });
	}
}

static void build_tuple_into(struct build *b, struct node *n, struct place to)
{
	uint32_t i = 0;

	for (struct node *m = n->list; m; m = m->next, i++)
		build_into(b, m, (struct place){ to.base, to.off + to.type->fields[i].offset,
						 to.type->fields[i].type });
}

/* An integer's bytes become an array's. */
static void build_cast_into(struct build *b, struct node *n, struct place to)
{
	ref v;

	if (in_memory(n->cast.e->type)) {
		build_into(b, n->cast.e, to);
		return;
	}
	/* What is beyond the array's end is zero, like everywhere. */
	v = build_value(b, n->cast.e);
	if (to.type->size < 8)
		v = ir_append(b->fn, OP_AND, v, ir_const(b->fn, (int64_t)(1ull << 8 * to.type->size) - 1), 0, 8);
	ir_store(b->fn, to.base, to.off, v, 8);
}

void build_into(struct build *b, struct node *n, struct place to)
{
	struct str text;

	if (type_is_scalar(to.type)) {
		ir_store(b->fn, to.base, to.off, build_value(b, n), 8);
		return;
	}
	if (to.type->kind == T_STRING && literal_text(b->s, n, &text)) {
		build_literal(b, to, text);
		return;
	}
	switch (n->kind) {
	case N_NAME:
		build_table[n->name.fn->id](b, n, to);
		break;
	case N_CALL:
		build_table[n->call.fn->id](b, n, to);
		break;
	case N_MAP:
		build_map_read_into(b, n, to);
		break;
	case N_COND:
		build_cond_into(b, n, to);
		break;
	case N_TUPLE:
		build_tuple_into(b, n, to);
		break;
	case N_RECORD:
		build_record_into(b, n, to);
		break;
	case N_VALUE:
		build_list(b, n->block.list);
		if (b->fn->current)
			build_into(b, n->block.value, to);
		break;
	case N_MEMBER:
	case N_INDEX:
	case N_UNARY:
		if (is_remote(n))
			build_remote_into(b, n, to);
		else
			build_copy(b, to, build_own_place(b, n));
		break;
	case N_CAST:
		build_cast_into(b, n, to);
		break;
	case N_VAR:
		build_copy(b, to, var_place(b, n->var.var));
		break;
	default:
		break;
	}
}

struct place build_memory(struct build *b, struct node *n)
{
	struct place to;

	if (n->kind == N_VAR)
		return var_place(b, n->var.var);
	to = build_temp(b, n->type);
	build_into(b, n, to);
	return to;
}

/* The same, as it is before `later` is evaluated, which may assign to the variable that it is. */
static struct place build_memory_before(struct build *b, struct node *n, struct node *later)
{
	struct place from = build_memory(b, n), to;

	if (n->kind != N_VAR || !later || !assigns(later))
		return from;
	to = build_temp(b, from.type);
	build_copy(b, to, from);
	return to;
}

/* ---- comparing -------------------------------------------------------------------------- */

/* In the type that holds both: their slots have no bytes that could differ by chance. */
static struct place comparable(struct build *b, struct node *n, const struct type *t, struct node *later)
{
	struct place from = build_memory_before(b, n, later), to;

	if (from.type == t)
		return from;
	to = build_temp(b, t);
	build_copy(b, to, from);
	return to;
}

ref build_memory_equal(struct build *b, struct node *l, struct node *r)
{
	const struct type *t = type_join(&b->s->types, l->type, r->type);
	struct place x = comparable(b, l, t, r), y = comparable(b, r, t, NULL);
	ref differ = ir_const(b->fn, 0);

	for (uint32_t i = 0; i < type_slot(t); i += 8)
		differ = ir_append(b->fn, OP_OR, differ,
				   ir_append(b->fn, OP_XOR, ir_load(b->fn, x.base, x.off + i, 8),
					     ir_load(b->fn, y.base, y.off + i, 8), 0, 8), 0, 8);
	return ir_append(b->fn, OP_EQ, differ, ir_const(b->fn, 0), 0, 8);
}

struct text {
	bool literal;
	struct str text;
	struct place place;
};

static struct text build_text(struct build *b, struct node *n, struct node *later)
{
	struct text t = { 0 };

	t.literal = literal_text(b->s, n, &t.text);
	if (!t.literal)
		t.place = build_memory_before(b, n, later);
	return t;
}

static uint32_t text_slot(const struct text *t)
{
	return t->literal ? (t->text.len + 8) & ~7u : type_slot(t->place.type);
}

static ref text_word(struct build *b, const struct text *t, uint32_t i)
{
	int64_t word = 0;

	if (!t->literal)
		return ir_load(b->fn, t->place.base, t->place.off + i, 8);
	if (i < t->text.len)
		memcpy(&word, t->text.s + i, t->text.len - i < 8 ? t->text.len - i : 8);
	return ir_const(b->fn, word);
}

/* Both are padded with zeros, so the words of the shorter one decide: its NUL is among them. A string
 * that fills its capacity has none and compares as its bytes. */
ref build_string_equal(struct build *b, struct node *l, struct node *r, uint64_t n)
{
	struct text x = build_text(b, l, r), y = build_text(b, r, NULL);
	uint32_t size = text_slot(&x) < text_slot(&y) ? text_slot(&x) : text_slot(&y);
	ref differ = ir_const(b->fn, 0);

	for (uint32_t i = 0; i < size && i < n; i += 8) {
		ref word = ir_append(b->fn, OP_XOR, text_word(b, &x, i), text_word(b, &y, i), 0, 8);

		/* Of the last word only the first bytes count; on a little-endian machine they are
		 * the low ones. */
		if (n - i < 8)
			word = ir_append(b->fn, OP_AND, word,
					 ir_const(b->fn, (int64_t)((1ull << 8 * (n - i)) - 1)), 0, 8);
		differ = ir_append(b->fn, OP_OR, differ, word, 0, 8);
	}
	return ir_append(b->fn, OP_EQ, differ, ir_const(b->fn, 0), 0, 8);
}
