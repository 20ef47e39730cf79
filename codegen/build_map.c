// SPDX-License-Identifier: Apache-2.0
/*
 * Maps: reading, assigning, updating, deleting.
 *
 * A number is changed in place where the element can't be taken away and given to another key
 * meanwhile (map->shrinks); else the kernel's update puts a new value. An element that isn't there
 * yet is put with zeros (NOEXIST) and then changed like any other, so a race loses no count. What
 * finds no room is counted in the ledger.
 */
#include "codegen/builder.h"

#include <errno.h>

enum { PRESENT = 0, DIRECT_VALUE = 8 }; /* STORE_DIRECT: offsets */

static uint32_t map_index(const struct map *m)
{
	return IMAGE_MAPS + m->id;
}

ref build_map_fd(struct build *b, const struct map *m)
{
	return ir_append(b->fn, OP_MAPFD, 0, 0, map_index(m), 8);
}

static ref direct_address(struct build *b, const struct map *m)
{
	return ir_append(b->fn, OP_MAPVAL, 0, 0, (int64_t)map_index(m) << 32, 8);
}

/* ---- keys ------------------------------------------------------------------------------- */

enum { MERGED_KEYS = 96 }; /* stack bytes for keys that later uses share */

static ref scalar_key(struct build *b, ref value)
{
	struct place p;

	if (b->keys + 8 <= MERGED_KEYS) {
		uint32_t slots = b->fn->slots.n;
		ref key = ir_key(b->fn, value);

		b->keys += 8 * (b->fn->slots.n - slots);
		return key;
	}
	p = build_temp(b, &type_uint64);
	ir_store(b->fn, p.base, p.off, value, 8);
	return place_address(b, p);
}

/* A string that fills its capacity has been cut. */
static void count_cut(struct build *b, const struct map *m, struct place p)
{
	struct fork k;

	if (p.type->kind == T_TUPLE)
		for (uint32_t i = 0; i < p.type->nfields; i++)
			count_cut(b, m, (struct place){ p.base, p.off + p.type->fields[i].offset,
							p.type->fields[i].type });
	if (p.type->kind != T_STRING || p.type->len < 16)
		return;
	k = fork_if(b, ir_load(b->fn, p.base, p.off + p.type->len - 1, 1));
	ledger_add(b, LEDGER_KEY_CUT, m, m->at, 1);
	fork_else(b, &k, 0);
	fork_join(b, &k, 0);
}

/* The address of the element's key: of type map->key, or a zero if the map has none. */
static ref build_key(struct build *b, const struct map *m, struct node *key)
{
	struct place p;
	uint32_t i = 0;

	if (!m->key)
		return scalar_key(b, ir_const(b->fn, 0));
	if (type_is_scalar(m->key))
		return scalar_key(b, build_value(b, key));
	p = build_temp(b, m->key);
	if (!key->next) {
		build_into(b, key, p);
		if (m->key_cut)
			count_cut(b, m, p);
		return place_address(b, p);
	}
	for (; key; key = key->next, i++)
		build_into(b, key, (struct place){ p.base, p.off + m->key->fields[i].offset,
						   m->key->fields[i].type });
	if (m->key_cut)
		count_cut(b, m, p);
	return place_address(b, p);
}

/* Merged with an earlier one only if the key is a value: bytes in memory may have changed since. */
static ref lookup(struct build *b, const struct map *m, ref key)
{
	ref r;

	if (b->fn->ins.v[key].op == OP_KEY || !b->fn->current)
		return ir_append(b->fn, OP_LOOKUP, key, 0, map_index(m), 8);
	r = ir_new_ins(b->fn, OP_LOOKUP, key, 0, map_index(m), 8);
	ir_place(b->fn, b->fn->current, r);
	return r;
}

/* ---- reading ---------------------------------------------------------------------------- */

ref build_map_read(struct build *b, struct node *n)
{
	const struct map *m = n->map.map;
	struct fork k;
	ref element;

	if (m->storage == STORE_DIRECT)
		return ir_load(b->fn, direct_address(b, m), DIRECT_VALUE, 8);
	element = lookup(b, m, build_key(b, m, n->map.key));
	k = fork_if(b, element);
	fork_else(b, &k, m->agg ? build_aggregate_value(b, m, element) : ir_load(b->fn, element, 0, 8));
	return fork_join(b, &k, ir_const(b->fn, 0));
}

ref build_map_has(struct build *b, struct node *n)
{
	ref element = lookup(b, n->map.map, build_key(b, n->map.map, n->map.key));

	return ir_append(b->fn, OP_NE, element, ir_const(b->fn, 0), 0, 8);
}

void build_map_read_into(struct build *b, struct node *n, struct place to)
{
	const struct map *m = n->map.map;
	ref element = lookup(b, m, build_key(b, m, n->map.key));
	struct fork k = fork_if(b, element);

	if (m->agg == AGG_STATS)
		build_stats_into(b, m, element, to);
	else
		build_copy(b, to, (struct place){ element, 0, m->val });
	fork_else(b, &k, 0);
	build_zero_bytes(b, to.base, to.off, type_slot(to.type));
	fork_join(b, &k, 0);
}

/* ---- putting elements ------------------------------------------------------------------- */

static ref update(struct build *b, const struct map *m, ref key, ref value, uint64_t flags)
{
	ref args[] = { build_map_fd(b, m), key, value, ir_const(b->fn, (int64_t)flags) };
	ref r = ir_call(b->fn, BPF_FUNC_map_update_elem, 4, args);

	ir_clobber(b->fn);
	return r;
}

/* Runs `then` only if the condition holds. */
static void build_when(struct build *b, ref cond, void (*then)(struct build *, const struct map *),
		       const struct map *m)
{
	uint32_t yes = ir_block(b->fn), after = ir_block(b->fn), mark = ir_scope(b->fn);

	ir_branch(b->fn, cond, yes, after);
	ir_enter(b->fn, yes);
	then(b, m);
	ir_jump(b->fn, after);
	ir_unscope(b->fn, mark);
	ir_enter(b->fn, after);
}

static void count_full(struct build *b, const struct map *m)
{
	ledger_add(b, LEDGER_MAP_FULL, m, m->at, 1);
}

static void count_element(struct build *b, const struct map *m)
{
	ledger_add(b, LEDGER_MAP_LEN, m, m->at, 1);
}

static void uncount_element(struct build *b, const struct map *m)
{
	ledger_add(b, LEDGER_MAP_LEN, m, m->at, -1);
}

ref is_negative(struct build *b, ref r)
{
	/* Helpers return int: the sign is in the low half. */
	return ir_append(b->fn, OP_LT, ir_append(b->fn, OP_EXT, r, 0, 1, 4), ir_const(b->fn, 0), 0, 8);
}

/* Puts a value whatever was there. */
static void put(struct build *b, const struct map *m, ref key, ref value)
{
	if (m->counted) {
		ref r = update(b, m, key, value, BPF_NOEXIST);

		build_when(b, ir_append(b->fn, OP_EQ, r, ir_const(b->fn, 0), 0, 8), count_element, m);
		r = update(b, m, key, value, BPF_EXIST);
		build_when(b, is_negative(b, r), count_full, m);
		return;
	}
	build_when(b, is_negative(b, update(b, m, key, value, BPF_ANY)), count_full, m);
}

/* ---- the element, made if it isn't there ------------------------------------------------ */

struct element {
	ref address;         /* valid on the way where it is there */
	uint32_t end, mark;  /* where both ways meet again */
};

static ref zeros(struct build *b, uint32_t size)
{
	struct image_map *zero = &b->image->maps.v[IMAGE_ZERO];

	if (zero->value_size < size)
		zero->value_size = size;
	return ir_append(b->fn, OP_MAPVAL, 0, 0, (int64_t)IMAGE_ZERO << 32, 8);
}

static uint32_t value_size(const struct map *m)
{
	return m->agg ? agg_words(m) * 8 : type_slot(m->val);
}

/* An array's one element is always there; the verifier wants to see it checked all the same. */
static struct element only_element(struct build *b, const struct map *m, ref key)
{
	uint32_t there = ir_block(b->fn);
	struct element e = { .end = ir_block(b->fn), .mark = ir_scope(b->fn) };

	e.address = lookup(b, m, key);
	ir_branch(b->fn, e.address, there, e.end);
	ir_enter(b->fn, there);
	return e;
}

/* After this the current block is the one where the element is there; element_end() closes it. What
 * the other way leaves in `result`, if that is a phi, is 0. */
static struct element element_begin(struct build *b, const struct map *m, ref key, ref result)
{
	struct fn *f = b->fn;
	uint32_t found = ir_block(f), missing = ir_block(f), there = ir_block(f), full = ir_block(f);
	struct element e = { .end = ir_block(f), .mark = ir_scope(f), .address = ir_phi(f) };
	ref first = lookup(b, m, key), second, r;

	ir_branch(f, first, found, missing);
	ir_enter(f, found);
	ir_set(f, e.address, first);
	ir_jump(f, there);
	ir_enter(f, missing);
	r = update(b, m, key, zeros(b, value_size(m)), BPF_NOEXIST);
	if (m->counted)
		build_when(b, ir_append(f, OP_EQ, r, ir_const(f, 0), 0, 8), count_element, m);
	second = lookup(b, m, key);
	found = ir_block(f);
	ir_branch(f, second, found, full);
	ir_enter(f, found);
	ir_set(f, e.address, second);
	ir_jump(f, there);
	ir_unscope(f, e.mark);
	ir_enter(f, full);
	count_full(b, m);
	if (result)
		ir_set(f, result, ir_const(f, 0));
	ir_jump(f, e.end);
	ir_unscope(f, e.mark);
	ir_enter(f, there);
	ir_place(f, there, e.address);
	return e;
}

static void element_end(struct build *b, const struct element *e)
{
	ir_jump(b->fn, e->end);
	ir_unscope(b->fn, e->mark);
	ir_enter(b->fn, e->end);
}

/* ---- assignment ------------------------------------------------------------------------- */

static void assign_in_place(struct build *b, const struct map *m, ref key, ref value)
{
	struct fn *f = b->fn;
	uint32_t found = ir_block(f), missing = ir_block(f), end = ir_block(f), mark = ir_scope(f);
	ref element = lookup(b, m, key);
	struct place p = build_temp(b, &type_uint64);

	ir_branch(f, element, found, missing);
	ir_enter(f, found);
	ir_store(f, element, 0, value, 8);
	ir_jump(f, end);
	ir_unscope(f, mark);
	ir_enter(f, missing);
	ir_store(f, p.base, p.off, value, 8);
	put(b, m, key, place_address(b, p));
	ir_jump(f, end);
	ir_unscope(f, mark);
	ir_enter(f, end);
}

/* The value at a place. In an lruhash the kernel makes room before it looks whether the element is there,
 * at the cost of another one: so this looks first. */
static void assign_whole(struct build *b, const struct map *m, ref key, struct place whole)
{
	struct fork k;
	ref element;

	if (!m->lru) {
		put(b, m, key, place_address(b, whole));
		return;
	}
	element = lookup(b, m, key);
	k = fork_if(b, element);
	build_copy(b, (struct place){ element, 0, m->val }, whole);
	fork_else(b, &k, 0);
	put(b, m, key, place_address(b, whole));
	fork_join(b, &k, 0);
	ir_clobber(b->fn);
}

static void assign_scalar(struct build *b, const struct map *m, struct node *key, ref value)
{
	struct place p;
	ref at;

	if (m->storage == STORE_DIRECT) {
		ref direct = direct_address(b, m);

		ir_store(b->fn, direct, DIRECT_VALUE, value, 8);
		ir_store(b->fn, direct, PRESENT, ir_const(b->fn, 1), 8);
		return;
	}
	at = build_key(b, m, key);
	if (!m->shrinks || m->lru) {
		assign_in_place(b, m, at, value);
		return;
	}
	p = build_temp(b, &type_uint64);
	ir_store(b->fn, p.base, p.off, value, 8);
	put(b, m, at, place_address(b, p));
}

void build_map_assign(struct build *b, struct node *n, struct node *value)
{
	const struct map *m = n->map.map;
	struct place from, whole;

	if (type_is_scalar(m->val)) {
		assign_scalar(b, m, n->map.key, build_value(b, value));
		return;
	}
	whole = build_temp(b, m->val);
	if (value->type == m->val) {
		build_into(b, value, whole);
	} else {
		from = build_memory(b, value);
		build_copy(b, whole, from);
	}
	assign_whole(b, m, build_key(b, m, n->map.key), whole);
}

/* += and -= (and so ++ and --) are atomic: no count is lost between CPUs. */
static ref change_memory(struct build *b, struct node *at, const struct map *m, enum operator op,
			 ref address, int64_t off, ref value)
{
	ref scaled = value, now;

	if (op == O_ADD || op == O_SUB) {
		scaled = build_operator(b, at, op, ir_const(b->fn, 0), value, m->val);
		ir_append(b->fn, OP_ATOMIC, address, scaled, off, 8);
		return ir_load(b->fn, address, off, 8);
	}
	now = build_operator(b, at, op, ir_load(b->fn, address, off, 8), value, m->val);
	ir_store(b->fn, address, off, now, 8);
	return now;
}

static ref update_direct(struct build *b, struct node *at, const struct map *m, enum operator op,
			 ref value)
{
	ref direct = direct_address(b, m), now;

	now = change_memory(b, at, m, op, direct, DIRECT_VALUE, value);
	ir_store(b->fn, direct, PRESENT, ir_const(b->fn, 1), 8);
	return now;
}

ref build_map_update(struct build *b, struct node *at, struct node *n, enum operator op, ref value)
{
	const struct map *m = n->map.map;
	struct element e;
	ref key, now, result;

	if (m->storage == STORE_DIRECT)
		return update_direct(b, at, m, op, value);
	if (m->shrinks) {
		now = build_operator(b, at, op, build_map_read(b, n), value, m->val);
		assign_scalar(b, m, n->map.key, now);
		return now;
	}
	key = build_key(b, m, n->map.key);
	result = ir_phi(b->fn);
	e = element_begin(b, m, key, result);
	now = change_memory(b, at, m, op, e.address, 0, value);
	ir_set(b->fn, result, now);
	element_end(b, &e);
	ir_place(b->fn, b->fn->current, result);
	return result;
}

ref build_map_delete(struct build *b, struct node *n)
{
	const struct map *m = n->map.map;
	ref args[2], r, gone;

	if (m->storage == STORE_DIRECT) {
		ref direct = direct_address(b, m), was = ir_load(b->fn, direct, PRESENT, 8);

		ir_store(b->fn, direct, PRESENT, ir_const(b->fn, 0), 8);
		ir_store(b->fn, direct, DIRECT_VALUE, ir_const(b->fn, 0), 8);
		return ir_append(b->fn, OP_NE, was, ir_const(b->fn, 0), 0, 8);
	}
	args[0] = build_map_fd(b, m);
	args[1] = build_key(b, m, n->map.key);
	r = ir_call(b->fn, BPF_FUNC_map_delete_elem, 2, args);
	ir_clobber(b->fn);
	gone = ir_append(b->fn, OP_EQ, r, ir_const(b->fn, 0), 0, 8);
	if (m->counted)
		build_when(b, gone, uncount_element, m);
	return gone;
}

/* ---- aggregations ----------------------------------------------------------------------- */

void build_aggregation(struct build *b, struct node *n, struct node *call)
{
	const struct map *m = n->map.map;
	/* As bpftrace has it: the key is evaluated first, but for histograms. */
	bool later = m->agg == AGG_HIST || m->agg == AGG_LHIST;
	ref key = later ? 0 : build_key(b, m, n->map.key);
	struct element e;

	b->operand = call->call.args ? build_value(b, call->call.args) : 0;
	if (later)
		key = build_key(b, m, n->map.key);
	e = m->storage == STORE_CPU_ARRAY ? only_element(b, m, key) : element_begin(b, m, key, 0);
	b->shape = &m->hist;
	b->changed = m;
	b->series = &m->series;
	b->shared = m->storage == STORE_HASH;
	build_table[call->call.fn->id](b, call, (struct place){ e.address, 0, m->val });
	element_end(b, &e);
}
