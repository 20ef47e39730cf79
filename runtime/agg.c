// SPDX-License-Identifier: Apache-2.0
/*
 * Maps as they are read: every element once, its per-CPU parts merged into one, sorted.
 *
 * A merged value keeps the layout that its parts have on each CPU (sema/maps.def), so merging is
 * the only step that knows about CPUs. What the kernel hands out and what becomes of it are kept
 * apart: snapshot_add() and below never ask the kernel.
 *
 * Programs go on updating while we read. Batch lookups walk the hash table by bucket, so they end
 * and see no element twice. Where there are none (before 5.6), the keys are walked: a walk whose
 * key is deleted under it starts over, so its length is bounded and its keys are sorted and made
 * unique before any value is looked up.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/print.h"

enum { SLOT = 8, BATCH_BYTES = 1 << 20, BATCH_LEAST = 16 };

/* ---- merging ---------------------------------------------------------------------------- */

static void merge_sum(uint64_t *into, const uint64_t *part, uint32_t words)
{
	for (uint32_t i = 0; i < words; i++)
		into[i] += part[i];
}

static bool less(uint64_t a, uint64_t b, bool sign)
{
	return sign ? (int64_t)a < (int64_t)b : a < b;
}

/* { value, seen } */
static void merge_extreme(uint64_t *into, const uint64_t *part, bool sign, bool least)
{
	if (!part[1])
		return;
	if (!into[1] || (least ? less(part[0], into[0], sign) : less(into[0], part[0], sign)))
		into[0] = part[0];
	into[1] = 1;
}

/* Of each interval what the CPUs have of the later epoch. */
static void merge_series(const struct map *map, uint64_t *into, const uint64_t *part)
{
	for (uint32_t i = 0; i < map->series.n; i++, into += TSERIES_WORDS, part += TSERIES_WORDS) {
		bool first = !into[TSERIES_WEIGHT] || part[TSERIES_EPOCH] > into[TSERIES_EPOCH];

		if (!part[TSERIES_WEIGHT] || (!first && part[TSERIES_EPOCH] < into[TSERIES_EPOCH]))
			continue;
		if (first)
			memset(into, 0, TSERIES_WORDS * sizeof *into);
		into[TSERIES_EPOCH] = part[TSERIES_EPOCH];
		if (map->series.how == TSERIES_AVG || map->series.how == TSERIES_SUM)
			merge_sum(into, part, TSERIES_EPOCH);
		else if (map->series.how != TSERIES_LAST)
			merge_extreme(into, part, map->val->sign, map->series.how == TSERIES_MIN);
		else if (part[TSERIES_WEIGHT] > into[TSERIES_WEIGHT])
			memcpy(into, part, TSERIES_EPOCH * sizeof *into);
	}
}

static void merge(const struct map *map, uint64_t *into, const uint64_t *part, uint32_t words)
{
	switch (map->agg) {
	case AGG_NONE:
		memcpy(into, part, words * sizeof *into);
		break;
	case AGG_MIN:
	case AGG_MAX:
		merge_extreme(into, part, map->val->sign, map->agg == AGG_MIN);
		break;
	case AGG_TSERIES:
		merge_series(map, into, part);
		break;
	default:
		merge_sum(into, part, words);
	}
}

uint64_t agg_divide(uint64_t v, uint64_t by, bool sign)
{
	if (!by)
		return 0;
	if (sign && (int64_t)v < 0)
		return -(-v / by);
	return v / by;
}

uint64_t agg_number(const struct map *map, const uint64_t *value)
{
	bool average = map->agg == AGG_AVG || map->agg == AGG_STATS;

	return average ? agg_divide(value[0], value[1], map->val->sign) : value[0];
}

/* ---- snapshots -------------------------------------------------------------------------- */

const uint8_t *snapshot_key(const struct snapshot *snap, uint32_t i)
{
	const struct element *e = (const struct element *)snap->elements.v + i;

	return (const uint8_t *)snap->keys.v + (size_t)e->at * snap->key_size;
}

const uint64_t *snapshot_value(const struct snapshot *snap, uint32_t i)
{
	const struct element *e = (const struct element *)snap->elements.v + i;

	return (const uint64_t *)(snap->values.v + (size_t)e->at * snap->value_size);
}

static uint32_t value_size(const struct map *map)
{
	return map->agg ? agg_words(map) * SLOT : type_slot(map->val);
}

void snapshot_begin(struct snapshot *snap, const struct map *map)
{
	snap->map = map;
	snap->key_size = map->key ? type_slot(map->key) : 0;
	snap->value_size = value_size(map);
	snap->n = snap->first = 0;
	snap->div = 1;
	snap->keys.n = snap->values.n = snap->elements.n = 0;
}

static uint64_t sum_of(const uint64_t *words, uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++)
		sum += words[i];
	return sum;
}

/* What an element is sorted by, so that it compares as unsigned; 0 for what is sorted by key. */
static uint64_t order_of(const struct map *map, const uint64_t *value)
{
	bool sign = map->agg != AGG_COUNT && map->val && map->val->sign;
	uint64_t v = 0;

	switch (map->agg) {
	case AGG_NONE:
		v = type_is_integer(map->val) ? value[0] : 0;
		break;
	case AGG_HIST:
	case AGG_LHIST:
		return sum_of(value, agg_words(map));
	case AGG_TSERIES:
		return 0;
	default:
		v = agg_number(map, value);
	}
	return v ^ (sign ? (uint64_t)1 << 63 : 0);
}

void snapshot_add(struct snapshot *snap, const void *key, const void *values, uint32_t parts)
{
	uint32_t words = snap->value_size / SLOT;
	const uint64_t *part = values;
	struct element e = { .at = snap->n++ };
	uint64_t *into;

	buffer_bytes(&snap->keys, key, snap->key_size);
	buffer_fill(&snap->values, 0, snap->value_size);
	into = (uint64_t *)(snap->values.v + snap->values.n - snap->value_size);
	for (uint32_t i = 0; i < parts; i++)
		merge(snap->map, into, part + (size_t)i * words, words);
	if ((snap->map->agg == AGG_MIN || snap->map->agg == AGG_MAX) && snap->map->storage == STORE_HASH && into[1])
		into[0] ^= agg_extreme_mask(snap->map);
	e.order = order_of(snap->map, into);
	buffer_bytes(&snap->elements, &e, sizeof e);
}

/* ---- sorting ---------------------------------------------------------------------------- */

static int compare_words(uint64_t a, uint64_t b, bool sign)
{
	return less(a, b, sign) ? -1 : less(b, a, sign);
}

static int compare_buffers(const struct type *t, const uint8_t *a, const uint8_t *b)
{
	uint64_t na = load_u64(a), nb = load_u64(b), n = na < nb ? na : nb;
	int order = memcmp(a + SLOT, b + SLOT, n < t->len ? n : t->len);

	return order ? order : compare_words(na, nb, false);
}

static int compare_keys(const struct type *t, const uint8_t *a, const uint8_t *b)
{
	int order = 0;

	switch (t->kind) {
	case T_TUPLE:
		for (uint32_t i = 0; i < t->nfields && !order; i++)
			order = compare_keys(t->fields[i].type, a + t->fields[i].offset,
					     b + t->fields[i].offset);
		return order;
	case T_STRING:
		return strncmp((const char *)a, (const char *)b, t->len);
	case T_BUFFER:
		return compare_buffers(t, a, b);
	case T_ARRAY:
	case T_STRUCT:
	case T_STACK:
	case T_USYM:
		return memcmp(a, b, t->size);
	default:
		return compare_words(load_u64(a), load_u64(b), t->sign);
	}
}

static int by_order_then_key(const void *x, const void *y, void *context)
{
	const struct element *a = x, *b = y;
	const struct snapshot *snap = context;
	const uint8_t *keys = (const uint8_t *)snap->keys.v;

	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	if (!snap->key_size)
		return 0;
	return compare_keys(snap->map->key, keys + (size_t)a->at * snap->key_size,
			    keys + (size_t)b->at * snap->key_size);
}

void snapshot_sort(struct snapshot *snap)
{
	if (snap->n > 1)
		qsort_r(snap->elements.v, snap->n, sizeof(struct element), by_order_then_key, snap);
}

/* ---- reading ---------------------------------------------------------------------------- */

/* A kernel map on its way into a snapshot. */
struct reader {
	struct session *s;
	struct snapshot *snap;
	int fd;
	uint32_t key_size;   /* as the kernel has it: 4 in arrays */
	uint32_t entry_size; /* of all parts of a value */
	uint32_t parts, max;
};

static struct reader reader_of(struct session *s, const struct map *map)
{
	const struct image_map *m = &s->image->maps.v[IMAGE_MAPS + map->id];
	bool per_cpu = map->storage == STORE_CPU_ARRAY || map->storage == STORE_CPU_HASH;
	struct reader r = { .s = s, .snap = &s->snapshot, .fd = s->map_fds[IMAGE_MAPS + map->id] };

	r.key_size = m->key_size;
	r.parts = per_cpu ? s->ncpus : 1;
	r.entry_size = (m->value_size + SLOT - 1) / SLOT * SLOT * r.parts;
	r.max = m->max_entries;
	return r;
}

static void add_all(struct reader *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		snapshot_add(r->snap, r->s->raw_keys.v + (size_t)i * r->key_size,
			     r->s->raw_values.v + (size_t)i * r->entry_size, r->parts);
}

static void *room(struct buffer *b, size_t size)
{
	b->n = 0;
	return buffer_room(b, size);
}

/* 0: all read. -errno: to be done in another way, whatever has been added till then. */
static int read_batches(struct reader *r)
{
	size_t per_element = (size_t)r->key_size + r->entry_size;
	uint32_t wanted = (uint32_t)(BATCH_BYTES / per_element);
	uint64_t cursor[2] = { 0 }, next[2] = { 0 }; /* the hash's is a u32 */
	bool begun = false;
	int err;

	wanted = wanted > r->max ? r->max : wanted < BATCH_LEAST ? BATCH_LEAST : wanted;
	for (;;) {
		uint32_t got = wanted;
		char *keys = room(&r->s->raw_keys, (size_t)wanted * r->key_size);
		char *values = room(&r->s->raw_values, (size_t)wanted * r->entry_size);

		err = bpf_map_lookup_batch(r->fd, begun ? cursor : NULL, next, keys, values, &got,
					   NULL);
		if (err == -ENOSPC && wanted <= UINT32_MAX / 2) {
			/* One bucket holds more than we have room for. */
			wanted *= 2;
			continue;
		}
		if (err && err != -ENOENT)
			return err;
		add_all(r, got);
		if (err)
			return 0;
		begun = true;
		memcpy(cursor, next, sizeof cursor);
	}
}

static int by_bytes(const void *a, const void *b, void *size)
{
	return memcmp(a, b, *(uint32_t *)size);
}

/* Keeps each of n sorted keys once and returns how many are left. */
static uint32_t drop_doubles(char *keys, uint32_t n, size_t size)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < n; i++) {
		char *key = keys + i * size;

		if (kept && !memcmp(key, keys + (kept - 1) * size, size))
			continue;
		memmove(keys + kept++ * size, key, size);
	}
	return kept;
}

/* Collects keys into raw_keys, each once, and returns how many there are. */
static uint32_t walk_keys(struct reader *r)
{
	struct buffer *keys = &r->s->raw_keys;
	uint64_t limit = (uint64_t)r->max * 2 + 1;
	uint32_t n = 0;

	for (keys->n = 0; n < limit; n++) {
		char *next = buffer_room(keys, r->key_size);

		if (bpf_map_get_next_key(r->fd, n ? next - r->key_size : NULL, next))
			break;
		keys->n += r->key_size;
	}
	if (!n)
		return 0;
	qsort_r(keys->v, n, r->key_size, by_bytes, &r->key_size);
	return drop_doubles(keys->v, n, r->key_size);
}

static int read_singly(struct reader *r)
{
	uint32_t n = walk_keys(r);
	char *value = room(&r->s->raw_values, r->entry_size);

	for (uint32_t i = 0; i < n; i++) {
		const char *key = r->s->raw_keys.v + (size_t)i * r->key_size;
		int err = bpf_map_lookup_elem(r->fd, key, value);

		if (!err)
			snapshot_add(r->snap, key, value, r->parts);
		else if (err != -ENOENT)
			return err;
	}
	return 0;
}

static int read_hash(struct reader *r)
{
	int err = read_batches(r);

	if (!err)
		return 0;
	snapshot_begin(r->snap, r->snap->map);
	return read_singly(r);
}

static bool any_set(const char *bytes, size_t n)
{
	return n && (bytes[0] || memcmp(bytes, bytes + 1, n - 1));
}

/* The one entry of an array, if it stands for an element at all. */
static int read_array(struct reader *r)
{
	const struct map *map = r->snap->map;
	char *entry = room(&r->s->raw_values, r->entry_size);
	uint32_t zero = 0;
	int err = bpf_map_lookup_elem(r->fd, &zero, entry);

	if (err)
		return err;
	if (map->storage == STORE_DIRECT) {
		if (load_u64((uint8_t *)entry))
			snapshot_add(r->snap, NULL, entry + SLOT, 1);
	} else if (r->s->zeroed[map->id] || any_set(entry, r->entry_size)) {
		snapshot_add(r->snap, NULL, entry, r->parts);
	}
	return 0;
}

int snapshot_read(struct session *s, const struct map *map)
{
	struct reader r = reader_of(s, map);

	snapshot_begin(r.snap, map);
	if (map->storage == STORE_DIRECT || map->storage == STORE_CPU_ARRAY)
		return read_array(&r);
	return read_hash(&r);
}
