// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's symbols, from /proc/kallsyms:
 *
 *	ffffffff81234560 T vfs_read
 *	ffffffffc0a01000 t ext4_readdir	[ext4]
 *
 * The kernel formats that file line by line while it is read (about 40 ms for all of it), so no more of
 * it is read than it takes to answer a question, and what was read is kept for the next one. Only naming
 * addresses builds an index, of the whole, when the first address is to be named. The index keeps
 * addresses of all symbols, but the names of functions alone: the others are the fences that show where
 * a function ends. Unprivileged readers see zeros for addresses: the names can still be asked for,
 * nothing can be named.
 */
#include "target/target.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A function reaches to the next symbol. The last one has none; this far it is believed. */
enum { LAST_SYMBOL_SIZE = 1 << 20 };
/* Room for most kernels' symbols, to begin with: what is not used costs nothing. */
enum { FIRST_ENTRIES = 1 << 18, FIRST_TEXT = 16 << 20, PIECE = 1 << 16 };

struct entry {
	uint64_t address;
	uint32_t name; /* where it stands in the text */
	uint16_t len;  /* 0: not a function */
};

struct ksyms {
	struct arena arena;
	bool opened;
	int fd;          /* -1: closed, there is no more to be read */
	VEC(char) text;  /* as far as it was read */
	bool indexed;
	VEC(struct entry) entries;
	uint32_t ordered; /* how many of the first ones stand in order */
};

struct ksyms *ksyms_open(void)
{
	struct arena a = { 0 };
	struct ksyms *k = arena_alloc(&a, sizeof *k);

	k->arena = a;
	k->fd = -1;
	return k;
}

void ksyms_close(struct ksyms *k)
{
	struct arena a = k->arena; /* k itself lies in it */

	if (k->fd >= 0)
		close(k->fd);
	arena_free(&a);
}

/* The digit's value; above 15: it is none. */
static unsigned hex_digit(char c)
{
	return c <= '9' ? (unsigned char)(c - '0') : (unsigned char)(c - 'a') + 10u;
}

/* Labels that mark where code and data change ($x, $d) or that the assembler made up. */
static bool is_mapping_symbol(struct str name)
{
	return !name.len || name.s[0] == '$' || str_starts(name, ".L") ||
	       str_starts(name, "L0\001");
}

/* "ffffffff81234560 T name", and "\t[module]" behind it. */
static bool parse_line(struct str line, struct ksym *sym)
{
	enum { DIGITS = 16, NAME = DIGITS + 3 };
	const char *end = line.s + line.len, *tab = NULL;
	unsigned all = 0;

	if (line.len <= NAME || line.s[DIGITS] != ' ' || line.s[DIGITS + 2] != ' ')
		return false;
	sym->address = 0;
	for (uint32_t i = 0; i < DIGITS; i++) {
		all |= hex_digit(line.s[i]);
		sym->address = sym->address << 4 | hex_digit(line.s[i]);
	}
	sym->type = line.s[DIGITS + 1];
	sym->module = (struct str){ "", 0 };
	if (end[-1] == ']' && (tab = memchr(line.s, '\t', line.len)) && tab[1] == '[')
		sym->module = (struct str){ tab + 2, (uint32_t)(end - tab) - 3 };
	sym->name = (struct str){ line.s + NAME, (uint32_t)((tab ? tab : end) - line.s) - NAME };
	return all < 16 && !is_mapping_symbol(sym->name);
}

bool ksym_is_function(const struct ksym *sym)
{
	return sym->type == 'T' || sym->type == 't' || sym->type == 'W' || sym->type == 'w';
}

static bool read_more(struct ksyms *k)
{
	ssize_t got;

	if (!k->opened) {
		k->opened = true;
		k->fd = open(target_path(&k->arena, "/proc/kallsyms"), O_RDONLY | O_CLOEXEC);
		k->text.v = arena_alloc(&k->arena, k->text.cap = FIRST_TEXT);
	}
	if (k->fd < 0)
		return false;
	while (k->text.n + PIECE > k->text.cap)
		k->text.v = vec_grow(&k->arena, k->text.v, 1, k->text.cap, &k->text.cap);
	got = target_read_some(k->fd, k->text.v + k->text.n, PIECE);
	if (got > 0) {
		k->text.n += (uint32_t)got;
		return true;
	}
	close(k->fd);
	k->fd = -1;
	return false;
}

/* The line that begins at *at, which moves on to the next. */
static bool next_line(struct ksyms *k, uint32_t *at, struct str *line)
{
	uint32_t seen = 0, rest = k->text.n - *at;
	const char *newline;

	while (!(newline = rest > seen ? memchr(k->text.v + *at + seen, '\n', rest - seen) : NULL)) {
		seen = rest;
		if (!read_more(k))
			break;
		rest = k->text.n - *at;
	}
	*line = (struct str){ k->text.v + *at, newline ? (uint32_t)(newline - k->text.v) - *at : rest };
	*at += line->len + (newline != NULL);
	return newline || line->len;
}

bool ksyms_each(struct ksyms *k, bool (*visit)(void *ctx, const struct ksym *), void *ctx)
{
	struct ksym sym;
	struct str line;
	bool more = true;

	for (uint32_t at = 0; more && next_line(k, &at, &line);)
		if (parse_line(line, &sym))
			more = visit(ctx, &sym);
	return k->text.n != 0;
}

/* ---- naming addresses ------------------------------------------------------------------- */

/* Among several names of one address the file's first; a function before data. */
static int by_address(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	if (!a->len != !b->len)
		return a->len ? -1 : 1;
	return (a->name > b->name) - (a->name < b->name);
}

static bool index_one(void *ctx, const struct ksym *sym)
{
	struct ksyms *k = ctx;
	uint32_t n = k->entries.n;
	bool function = ksym_is_function(sym);

	/* Behind data, more data is no further fence; most of the file is such. (If the order is
	 * not by address, a fence is lost at worst.) */
	if (!sym->address || (!function && n && !k->entries.v[n - 1].len))
		return true;
	*vec_push(&k->arena, &k->entries) = (struct entry){
		sym->address, (uint32_t)(sym->name.s - k->text.v),
		function ? (uint16_t)sym->name.len : 0,
	};
	if (k->ordered == n && (!n || by_address(&k->entries.v[n - 1], &k->entries.v[n]) <= 0))
		k->ordered++;
	return true;
}

static void drop_aliases(struct ksyms *k)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < k->entries.n; i++)
		if (!n || k->entries.v[i].address != k->entries.v[n - 1].address)
			k->entries.v[n++] = k->entries.v[i];
	k->entries.n = n;
}

static void build_index(struct ksyms *k)
{
	k->indexed = true;
	k->entries.cap = FIRST_ENTRIES;
	k->entries.v = arena_alloc(&k->arena, k->entries.cap * sizeof *k->entries.v);
	ksyms_each(k, index_one, k);
	/* The kernel's own symbols are in order in most kernels, modules' are not. */
	if (k->ordered < k->entries.n)
		qsort(k->entries.v, k->entries.n, sizeof *k->entries.v, by_address);
	drop_aliases(k);
}

struct str ksyms_name(struct ksyms *k, uint64_t address, uint64_t *offset)
{
	const struct entry *e;
	uint32_t low = 0, high;

	if (!k->indexed)
		build_index(k);
	high = k->entries.n;
	/* Invariant: entries below `low` start at or before the address, from `high` after it. */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (k->entries.v[mid].address <= address)
			low = mid + 1;
		else
			high = mid;
	}
	e = low ? &k->entries.v[low - 1] : NULL;
	if (!e || !e->len)
		return STR("");
	*offset = address - e->address;
	if (low == k->entries.n && *offset >= LAST_SYMBOL_SIZE)
		return STR("");
	return (struct str){ k->text.v + e->name, e->len };
}

/* ---- finding names ---------------------------------------------------------------------- */

struct search {
	struct str name;
	uint64_t address;
	bool found;
};

static bool search_one(void *ctx, const struct ksym *sym)
{
	struct search *search = ctx;

	if (!str_eq(sym->name, search->name))
		return true;
	search->found = true;
	search->address = sym->address;
	return false;
}

uint64_t ksyms_address(struct ksyms *k, struct str name, bool *found)
{
	struct search search = { .name = name };

	ksyms_each(k, search_one, &search);
	*found = search.found;
	return search.address;
}

struct near_search {
	struct arena *arena;
	struct near *near;
};

/* Padding in front of functions has symbols too; nobody means those. */
static bool near_one(void *ctx, const struct ksym *sym)
{
	struct near_search *search = ctx;
	struct near *near = search->near;
	uint32_t a = sym->name.len, b = near->wanted.len;

	if (!ksym_is_function(sym) || (a > b ? a - b : b - a) > b / 3 + 1 ||
	    str_starts(sym->name, "__pfx_") || str_starts(sym->name, "__cfi_"))
		return true;
	str_near(near, sym->name);
	if (near->best.s == sym->name.s)
		near->best.s = str_dup(search->arena, sym->name);
	return true;
}

void ksyms_near(struct ksyms *k, struct near *near)
{
	struct near_search search = { &k->arena, near };

	ksyms_each(k, near_one, &search);
}
