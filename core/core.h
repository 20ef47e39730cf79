// SPDX-License-Identifier: Apache-2.0
/*
 * core: what every other folder stands on. Knows nothing of BPF or bpftrace.
 *
 * One section a file: arena.c, str.c, vec (here), table.c, source.c, diag.c.
 * Everything that a compilation allocates lives in one arena and is freed with it.
 */
#ifndef XBT_CORE_H
#define XBT_CORE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* ---- arena.c: memory that is freed all at once ------------------------------------------ */

struct arena {
	struct chunk *chunks;
};

/* Zeroed memory, 16-byte aligned, owned by the arena. Never NULL: when there is no memory left, the
 * release hook runs, one line is printed and the process exits with status 1. */
void *arena_alloc(struct arena *, size_t size);
/* A formatted, NUL-terminated string in the arena. */
char *arena_printf(struct arena *, const char *fmt, ...) PRINTF(2, 3);
char *arena_vprintf(struct arena *, const char *fmt, va_list);
void arena_free(struct arena *);
/* Called once before the process exits for want of memory (to resume a child, for instance). */
void arena_on_exhaustion(void (*release)(void));

/* ---- str.c: slices ---------------------------------------------------------------------- */

struct str {
	const char *s;
	uint32_t len;
};

#define STR(literal) ((struct str){ literal, sizeof(literal) - 1 })
/* For printf's "%.*s". */
#define STR_ARG(x) (int)(x).len, (x).s

struct str str_of(const char *cstr);
bool str_eq(struct str, struct str);
bool str_is(struct str, const char *cstr);
bool str_starts(struct str, const char *prefix);
/* Without the blanks (isspace) at both ends. */
struct str str_trim(struct str);
/* Byte order, the shorter first among equals. */
int str_cmp(struct str, struct str);
/* A NUL-terminated copy in the arena. */
char *str_dup(struct arena *, struct str);
uint64_t str_hash(struct str);
/* The nearest of the candidates offered with str_near(), by how many edits (insert, delete, replace,
 * swap of neighbours) lead there; empty if none is near enough to be meant. */
struct near {
	struct str wanted, best;
	unsigned distance;
};
void str_near(struct near *, struct str candidate);
/* Parses C's integers: decimal, 0x, octal. False if there are bytes left over or it passes 64 bits. */
bool str_to_u64(struct str, uint64_t *);

/* ---- vec: growing arrays, arena-backed -------------------------------------------------- */

#define VEC(T)                                                                                     \
	struct {                                                                                   \
		T *v;                                                                              \
		uint32_t n, cap;                                                                   \
	}
/* The address of a new zeroed last element; earlier addresses are void from then on. */
#define vec_push(arena, vec)                                                                       \
	((vec)->v = vec_grow(arena, (vec)->v, sizeof *(vec)->v, (vec)->n, &(vec)->cap),            \
	 &(vec)->v[(vec)->n++])
void *vec_grow(struct arena *, void *, size_t size, uint32_t n, uint32_t *cap);

/* ---- table.c: str -> pointer ------------------------------------------------------------ */

struct table {
	struct table_slot *slots;
	uint32_t n, cap;
};

void *table_get(const struct table *, struct str key);
/* Replaces what was there. The key's bytes must outlive the table. */
void table_set(struct arena *, struct table *, struct str key, void *value);

/* ---- source.c: a script's text and its lines -------------------------------------------- */

struct span {
	uint32_t beg, end; /* byte offsets into the source */
};

struct source {
	const char *name;
	struct str text;
	VEC(uint32_t) lines; /* offset of each line's first byte */
};

struct position {
	uint32_t line, column; /* from 1; column in bytes */
};

void source_init(struct arena *, struct source *, const char *name, struct str text);
struct position source_position(const struct source *, uint32_t offset);
/* The line without its newline; line from 1. */
struct str source_line(const struct source *, uint32_t line);
/* A whole file ("-": standard input) of at most `max` bytes. On failure NULL text and *error says why. */
struct str source_read(struct arena *, const char *path, size_t max, const char **error);

/* ---- diag.c: errors and warnings, recorded now, printed in source order ----------------- */

struct diagnostic {
	struct span at;
	bool error;
	const char *id, *text, *hint;
};

struct diag {
	struct arena *arena;
	const struct source *source;
	VEC(struct diagnostic) list;
	uint32_t nerror;
	bool no_warnings;
	FILE *json; /* NULL: text, to where diag_print() is told */
};

/* `id` names the rule; each has its case under tests/errors. The index returned is for diag_hint(). */
uint32_t diag_error(struct diag *, struct span, const char *id, const char *fmt, ...) PRINTF(4, 5);
uint32_t diag_warn(struct diag *, struct span, const char *id, const char *fmt, ...) PRINTF(4, 5);
void diag_hint(struct diag *, uint32_t index, const char *fmt, ...) PRINTF(3, 4);
/* What was recorded from `first` on and touches an error before it follows from that: it is dropped. */
void diag_drop_consequences(struct diag *, uint32_t first);
/* How many of the errors so far stand within it. */
uint32_t diag_errors_within(const struct diag *, struct span);
/* Prints all that is recorded, in source order, each once, and forgets it: DIAG_MAX errors
 * with the line that they are in, DIAG_LINES without, more only as a number. As
 * JSON: an object a line, all of them. */
#define DIAG_MAX 20
#define DIAG_LINES 1000
void diag_print(struct diag *, FILE *);

#endif
