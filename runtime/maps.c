// SPDX-License-Identifier: Apache-2.0
/*
 * What scripts do to whole maps: print, clear, zero; the dump at the end; and the report of losses.
 *
 * Clearing and zeroing walk a snapshot's keys while programs go on. An element added meanwhile
 * stays, one deleted meanwhile is no error: the order of user space against the programs is not
 * defined, only that no element is left half done.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/print.h"
#include "runtime/sideband.h"

enum { SLOT = 8 };

/* ---- printing --------------------------------------------------------------------------- */

static bool read_map(struct session *s, const struct map *map)
{
	int err = snapshot_read(s, map);

	if (err)
		fprintf(s->err, "xbt: error: can't read %.*s: %s\n", STR_ARG(map->name),
			strerror(-err));
	return !err;
}

static bool is_hist(const struct map *map)
{
	return map->agg == AGG_HIST || map->agg == AGG_LHIST || map->agg == AGG_TSERIES;
}

/* Gives the snapshot the zero value that an unset keyless map has when it is asked for. */
static void add_unset(struct session *s)
{
	struct snapshot *snap = &s->snapshot;

	s->raw_values.n = 0;
	buffer_fill(&s->raw_values, 0, snap->value_size);
	snapshot_add(snap, NULL, s->raw_values.v, 1);
}

void print_snapshot(struct session *s, int64_t top, int64_t div)
{
	struct snapshot *snap = &s->snapshot;
	const struct map *map = snap->map;

	if (!snap->n && !map->key && !is_hist(map))
		add_unset(s);
	snapshot_sort(snap);
	/* Series are in no order that could be cut. */
	if (top > 0 && (uint64_t)top < snap->n && map->agg != AGG_TSERIES)
		snap->first = snap->n - (uint32_t)top;
	/* A linear histogram's counts are not divided. */
	if (div > 0 && map->agg != AGG_LHIST)
		snap->div = (uint64_t)div;
	s->format->map(s, snap);
}

void print_map(struct session *s, const struct map *map, int64_t top, int64_t div)
{
	if (read_map(s, map))
		print_snapshot(s, top, div);
}

static int by_name(const void *x, const void *y)
{
	const struct map *const *a = x, *const *b = y;

	return str_cmp((*a)->name, (*b)->name);
}

void print_all_maps(struct session *s)
{
	uint32_t n = s->image->maps.n;
	const struct map **sorted = arena_alloc(&s->arena, (n + 1) * sizeof *sorted);
	uint32_t found = 0;

	if (s->format->end)
		s->format->end(s);
	if (!s->image->config.print_maps_on_exit)
		return;
	for (uint32_t i = IMAGE_MAPS; i < n; i++)
		if (s->image->maps.v[i].map)
			sorted[found++] = s->image->maps.v[i].map;
	qsort(sorted, found, sizeof *sorted, by_name);
	for (uint32_t i = 0; i < found; i++) {
		if (!read_map(s, sorted[i]) || !s->snapshot.n)
			continue;
		snapshot_sort(&s->snapshot);
		s->format->map(s, &s->snapshot);
	}
}

/* ---- clearing and zeroing --------------------------------------------------------------- */

static int fd_of(const struct session *s, const struct map *map)
{
	return s->map_fds[IMAGE_MAPS + map->id];
}

static bool is_array(const struct map *map)
{
	return map->storage == STORE_DIRECT || map->storage == STORE_CPU_ARRAY;
}

/* Zeros as large as an entry of this map, all CPUs together. */
static const char *zeros_for(struct session *s, const struct map *map)
{
	size_t size = s->image->maps.v[IMAGE_MAPS + map->id].value_size;

	s->raw_values.n = 0;
	buffer_fill(&s->raw_values, 0, (size + SLOT - 1) / SLOT * SLOT * s->ncpus);
	return s->raw_values.v;
}

static void count_deleted(struct session *s, const struct map *map, uint64_t deleted)
{
	for (uint32_t i = 0; deleted && map->counted && i < s->image->ledger.n; i++) {
		const struct ledger_entry *e = &s->image->ledger.v[i];

		if (e->kind == LEDGER_MAP_LEN && e->map->id == map->id)
			__atomic_fetch_sub(&s->ledger[i], deleted, __ATOMIC_RELAXED);
	}
}

static void write_failed(struct session *s, const struct map *map, int err)
{
	fprintf(s->err, "xbt: error: can't change %.*s: %s\n", STR_ARG(map->name), strerror(-err));
}

static void clear_array(struct session *s, const struct map *map)
{
	uint32_t zero = 0;
	int err = bpf_map_update_elem(fd_of(s, map), &zero, zeros_for(s, map), BPF_ANY);

	s->zeroed[map->id] = false;
	if (err)
		write_failed(s, map, err);
	else
		count_deleted(s, map, s->snapshot.n);
}

/* The key as the kernel has it: a keyless map in a hash has a zero. */
static const void *kernel_key(const struct session *s, uint32_t i)
{
	static const uint64_t keyless = 0;

	return s->snapshot.key_size ? (const void *)snapshot_key(&s->snapshot, i) : &keyless;
}

static void clear_hash(struct session *s, const struct map *map)
{
	uint64_t deleted = 0;
	int err = 0;

	for (uint32_t i = 0; i < s->snapshot.n; i++) {
		int failed = bpf_map_delete_elem(fd_of(s, map), kernel_key(s, i));

		deleted += !failed;
		err = failed && failed != -ENOENT ? failed : err;
	}
	count_deleted(s, map, deleted);
	if (err)
		write_failed(s, map, err);
}

void clear_map(struct session *s, const struct map *map)
{
	if (!read_map(s, map))
		return;
	if (s->format->cleared)
		s->format->cleared(s, map);
	if (is_array(map))
		clear_array(s, map);
	else
		clear_hash(s, map);
}

static void zero_array(struct session *s, const struct map *map)
{
	uint64_t present = 1;
	uint32_t zero = 0;
	int err;

	if (!s->snapshot.n)
		return;
	zeros_for(s, map);
	if (map->storage == STORE_DIRECT)
		memcpy(s->raw_values.v, &present, sizeof present);
	else
		s->zeroed[map->id] = true;
	err = bpf_map_update_elem(fd_of(s, map), &zero, s->raw_values.v, BPF_ANY);
	if (err)
		write_failed(s, map, err);
}

static void zero_hash(struct session *s, const struct map *map)
{
	const char *zeros = zeros_for(s, map);
	int err = 0;

	for (uint32_t i = 0; i < s->snapshot.n; i++) {
		int failed = bpf_map_update_elem(fd_of(s, map), kernel_key(s, i), zeros, BPF_EXIST);

		err = failed && failed != -ENOENT ? failed : err;
	}
	if (err)
		write_failed(s, map, err);
}

void zero_map(struct session *s, const struct map *map)
{
	if (!read_map(s, map))
		return;
	if (is_array(map))
		zero_array(s, map);
	else
		zero_hash(s, map);
}

/* ---- the report of losses --------------------------------------------------------------- */

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void report_full(const struct source *src, const struct ledger_entry *e, uint64_t n,
			FILE *err)
{
	struct span at = e->at.end ? e->at : e->map->at;
	struct position pos = source_position(src, at.beg);

	fprintf(err,
		"xbt: %s:%u: %.*s is full (%u elements): %" PRIu64 " update%s lost; hint: %s allows more\n",
		src->name, pos.line, STR_ARG(e->map->name), e->map->max_entries, n, plural(n),
		e->map->declared.end ? "another number in its declaration" : "BPFTRACE_MAX_MAP_KEYS");
}

/* What went wrong at one place of the script. */
PRINTF(4, 5)
static void report_place(struct session *s, struct span at, FILE *err, const char *fmt, ...)
{
	const struct source *src = &s->image->source;
	struct position pos = source_position(src, at.beg);
	char text[128];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	fprintf(err, "%s:%u:%u: warning: %s\n", src->name, pos.line, pos.column, text);
	if (s->format->complaint)
		s->format->complaint(s, "runtime_error", str_of(text), pos);
}

static void report_entry(struct session *s, uint32_t i, FILE *err)
{
	const struct ledger_entry *e = &s->image->ledger.v[i];
	uint64_t n = __atomic_load_n(&s->ledger[i], __ATOMIC_RELAXED);

	if (!n)
		return;
	switch (e->kind) {
	case LEDGER_START:
	case LEDGER_EXIT:
	case LEDGER_MAP_LEN:
	case LEDGER_CPID:
	case LEDGER_TAI:
		break;
	case LEDGER_LOST_EVENTS:
		fprintf(err, "xbt: lost %" PRIu64 " event%s: the ring buffer was full\n", n,
			plural(n));
		if (s->format->lost)
			s->format->lost(s, n);
		break;
	case LEDGER_STACK_FULL:
		fprintf(err, "xbt: %" PRIu64 " stack%s found no room to be kept and print as [lost]\n", n,
			plural(n));
		break;
	case LEDGER_STACK_CLASH:
		fprintf(err, "xbt: %" PRIu64 " stack%s had the hash of another and print as that one\n", n,
			plural(n));
		break;
	case LEDGER_KEY_CUT:
		fprintf(err, "xbt: %" PRIu64 " key%s of %.*s cut: this kernel's have at most 512 bytes\n", n, plural(n),
			STR_ARG(e->map->name));
		break;
	case LEDGER_RACE:
		fprintf(err, "xbt: %" PRIu64 " update%s of %.*s lost: several CPUs were at it\n", n, plural(n),
			STR_ARG(e->map->name));
		break;
	case LEDGER_MAP_FULL:
		report_full(&s->image->source, e, n, err);
		break;
	case LEDGER_FAULT:
		report_place(s, e->at, err, "%" PRIu64 " read%s of memory that is not there; zero was used", n,
			     plural(n));
		break;
	case LEDGER_LOOP:
		report_place(s, e->at, err, "%" PRIu64 " time%s this loop did not run: it would have taken more than "
			     "8388608 turns", n, plural(n));
		break;
	case LEDGER_DIV_ZERO:
		report_place(s, e->at, err, "%" PRIu64 " division%s by zero; 1 was used as the result", n,
			     plural(n));
		break;
	}
}

void ledger_report(struct session *s, FILE *err)
{
	for (uint32_t i = 0; s->ledger && i < s->image->ledger.n; i++)
		report_entry(s, i, err);
	if (sideband_lost(s->sideband))
		fprintf(err, "xbt: lost %" PRIu64 " record%s of what processes map: addresses may lack names\n",
			sideband_lost(s->sideband), plural(sideband_lost(s->sideband)));
	if (s->malformed)
		fprintf(err,
			"xbt: %" PRIu64 " event record%s made no sense and went unread: "
			"this is a bug in xbt\n",
			s->malformed, plural(s->malformed));
}
