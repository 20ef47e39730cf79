// SPDX-License-Identifier: Apache-2.0
/*
 * Printing: from the bytes of events and maps to text. Sectioned by file.
 */
#ifndef XBT_PRINT_H
#define XBT_PRINT_H

#include "runtime/session.h"

/* ---- out_text.c, out_json.c, out_flame.c, fold.c: output formats ------------------------ */

/* One way to write results down. `type` is what sent them: "printf", "time", "join", ... What a format
 * has no need of is NULL, from `attached` on. */
struct out {
	const char *name;
	void (*text)(struct session *, const char *type, struct str);
	/* The same and a newline, where the format is made of lines. */
	void (*line)(struct session *, const char *type, struct str);
	void (*value)(struct session *, const struct type *, const uint8_t *slot);
	void (*map)(struct session *, const struct snapshot *);
	void (*attached)(struct session *, uint32_t probes);
	/* So many events found no room. (The report of losses says it in any case.) */
	void (*lost)(struct session *, uint64_t n);
	/* errorf(), warnf(), and where they stand; else it is text on standard error. */
	void (*complaint)(struct session *, const char *type, struct str, struct position);
	void (*cleared)(struct session *, const struct map *);
	/* Tracing has ended; the maps follow. */
	void (*end)(struct session *);
	/* That was all. */
	void (*finish)(struct session *);
};

extern const struct out out_text, out_json, out_folded, out_flame;
/* By name; NULL: there is none. */
const struct out *out_find(const char *name);

/* ---- value.c: type-driven text of values ------------------------------------------------ */

uint64_t load_u64(const uint8_t *slot);
/* A bitfield, out of the bytes that it has a part in. */
uint64_t load_bits(const struct field *, const uint8_t *at);
/* An integer of 1, 2, 4 or 8 bytes. */
uint64_t load_sized(const uint8_t *at, uint32_t size, bool sign);
/* How many bytes the UTF-8 character at `at` has; 0 if it is none. */
uint32_t utf8_length(const unsigned char *at, uint32_t left);
/* Text that comes from what is traced: on a terminal, without what would drive it. */
void traced_text(const struct session *, struct buffer *, const char *text, size_t n);
void integer_text(struct buffer *, uint64_t v, bool sign);
void value_text(struct session *, struct buffer *, const struct type *, const uint8_t *slot);
/* What stands between a map's brackets: a tuple loses its parentheses. */
void key_text(struct session *, struct buffer *, const struct type *, const uint8_t *slot);
/* strftime of a wall clock time in ns; %f gives microseconds. */
void time_text(struct session *, struct buffer *, struct str fmt, int64_t wall_ns);
/* printf. A conversion that lacks its argument, or makes no sense, prints as it is written. */
void format_text(struct session *, struct buffer *, struct str fmt, const struct type *args,
		 const uint8_t *data);

/* ---- stack.c ---------------------------------------------------------------------------- */

/* The symbol at a process's address, without how far into it. */
void usym_text(struct session *, struct buffer *, const uint8_t *slot);
/* A stack's frames, each on a line of its own, and a newline before the first. */
void stack_text(struct session *, struct buffer *, const struct type *, const uint8_t *slot);

/* Visits the frames, the outermost first, by the names of their functions. */
void stack_each(struct session *, const struct type *, const uint8_t *slot,
		void (*visit)(void *ctx, struct str name, bool kernel), void *ctx);

/* ---- fold.c: stacks as lines; what the formats made of them share ----------------------- */

/* Is the map keyed by stacks, with numbers as values? */
bool fold_applies(const struct map *);
/* Says that it is not. */
void fold_refuse(struct session *, const struct map *);
/* An element of a map: its key as a line, outermost frame first, ';' between them; what it counts. */
struct folded {
	char *line;
	uint32_t length;
	uint64_t weight;
	const struct map *map; /* NULL: it has been cleared since */
};
struct folded fold_element(struct session *, const struct snapshot *, uint32_t i);
/* Frame by frame, so that those with equal beginnings stand together; for qsort. */
int fold_order(const void *, const void *);
/* Events are no part of the result: they go where errors go. */
void fold_text(struct session *, const char *type, struct str);
void fold_line(struct session *, const char *type, struct str);
void fold_print(struct session *, const struct type *, const uint8_t *slot);

/* ---- gfp.c ------------------------------------------------------------------------------ */

/* The flags of an allocation, by name. */
void gfp_text(struct buffer *, uint64_t flags);

/* ---- hist.c ----------------------------------------------------------------------------- */

/* The rows of a log2 or linear histogram, from the first to the last that is not empty. */
/* The first and last bucket that are not empty. False: all are. */
bool hist_range(const struct map *, const uint64_t *buckets, uint32_t *first, uint32_t *last);
void hist_text(struct buffer *, const struct map *, const uint64_t *buckets, uint64_t div);

/* ---- tseries.c -------------------------------------------------------------------------- */

/* The rows of an element's time series; the newline behind them is the caller's. */
void tseries_text(struct session *, struct buffer *, const struct snapshot *, uint32_t i);
void tseries_json(struct session *, struct buffer *, const struct snapshot *, uint32_t i);
/* A number, or, if a reader would take it for another one, a string (out_json.c). */
void json_integer(struct buffer *, uint64_t v, bool sign);

/* ---- agg.c: reading maps ---------------------------------------------------------------- */

/* Building a snapshot by hand: begin, add each element once, sort. Nothing here asks the kernel. */
void snapshot_begin(struct snapshot *, const struct map *);
/* `parts` values lie one behind another, one for each CPU (or just one); key is NULL if keyless. */
void snapshot_add(struct snapshot *, const void *key, const void *values, uint32_t parts);
void snapshot_sort(struct snapshot *);
/* Reads all elements of a map into s->snapshot, not sorted. 0 or -errno. */
int snapshot_read(struct session *, const struct map *);
const uint8_t *snapshot_key(const struct snapshot *, uint32_t i);
const uint64_t *snapshot_value(const struct snapshot *, uint32_t i);
/* The number that an aggregation's (or an integer map's) words come to; of stats the average. */
uint64_t agg_number(const struct map *, const uint64_t *value);
/* v / by as a map of this signedness has it, without overflow; by 0: 0. */
uint64_t agg_divide(uint64_t v, uint64_t by, bool sign);

/* ---- maps.c ----------------------------------------------------------------------------- */

/* top: how many of the last elements, 0: all. div: 0: not divided. An unset keyless value prints as
 * zero. */
void print_map(struct session *, const struct map *, int64_t top, int64_t div);
/* The same of the elements that s->snapshot holds. */
void print_snapshot(struct session *, int64_t top, int64_t div);
void clear_map(struct session *, const struct map *);
void zero_map(struct session *, const struct map *);
/* Each map that has something in it, by name. */
void print_all_maps(struct session *);
/* What was lost, and why. */
void ledger_report(struct session *, FILE *err);

/* ---- command.c: files and commands that scripts print -------------------------------------- */

/* The first max_cat_bytes of a file. */
void command_cat(struct session *, const char *path);
/* What a shell command writes; its failure is reported. */
void command_run(struct session *, const char *command);

/* ---- event.c ---------------------------------------------------------------------------- */

/* For the ring buffer: handles one record, returns 0. */
int handle_event(void *session, void *data, size_t size);

#endif
