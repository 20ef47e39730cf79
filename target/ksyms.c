// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's symbols, from /proc/kallsyms:
 *
 *	ffffffff81234560 T vfs_read
 *	ffffffffc0a01000 t ext4_readdir	[ext4]
 *
 * The kernel formats that file line by line while it is read (about 40 ms for all of it), so a
 * question about a name streams and stops at the answer. One that went to the end leaves the text
 * to all that follow: who missed a name asks what is near it. Only naming addresses builds an index,
 * when the first address is to be named. The index keeps addresses of all symbols, but the names of
 * functions alone: the others are the fences that show where a function ends. Unprivileged
 * readers see zeros for addresses: the names can still be asked for, nothing can be named.
 */
#include "target/target.h"

#include <stdlib.h>
#include <string.h>

/* A function reaches to the next symbol. The last one has none; this far it is believed. */
enum { LAST_SYMBOL_SIZE = 1 << 20 };
/* Room for most kernels' functions, to begin with: what is not used costs nothing. */
enum { FIRST_ENTRIES = 1 << 18, FIRST_NAMES = 8 << 20, FIRST_TEXT = 8 << 20 };

struct entry {
	uint64_t address;
	uint32_t name; /* offset in the names; 0: not a function */
};

struct ksyms {
	struct arena arena;
	bool indexed;
	VEC(struct entry) entries;
	uint32_t ordered; /* how many of the first ones stand in order */
	VEC(char) names;
	bool whole; /* all of its text is kept */
	VEC(char) text;
	struct lines lines;
};

struct ksyms *ksyms_open(void)
{
	struct arena a = { 0 };
	struct ksyms *k = arena_alloc(&a, sizeof *k);

	k->arena = a;
	return k;
}

void ksyms_close(struct ksyms *k)
{
	struct arena a = k->arena; /* k itself lies in it */

	arena_free(&a);
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Labels that mark where code and data change ($x, $d) or that the assembler made up. */
static bool is_mapping_symbol(struct str name)
{
	return !name.len || name.s[0] == '$' || str_starts(name, ".L") ||
	       str_starts(name, "L0\001");
}

static bool parse_line(struct str line, struct ksym *sym)
{
	uint32_t i = 0, beg;

	sym->address = 0;
	for (; i < line.len && i < 16 && is_hex(line.s[i]); i++)
		sym->address = sym->address << 4 | (line.s[i] <= '9' ? line.s[i] - '0'
								      : line.s[i] - 'a' + 10);
	if (!i || line.len < i + 4 || line.s[i] != ' ' || line.s[i + 2] != ' ')
		return false;
	sym->type = line.s[i + 1];
	beg = i += 3;
	while (i < line.len && line.s[i] != '\t' && line.s[i] != ' ')
		i++;
	sym->name = (struct str){ line.s + beg, i - beg };
	sym->module = (struct str){ "", 0 };
	if (i + 3 < line.len && line.s[i + 1] == '[' && line.s[line.len - 1] == ']')
		sym->module = (struct str){ line.s + i + 2, line.len - i - 3 };
	return !is_mapping_symbol(sym->name);
}

bool ksym_is_function(const struct ksym *sym)
{
	return sym->type == 'T' || sym->type == 't' || sym->type == 'W' || sym->type == 'w';
}

static void keep_line(struct ksyms *k, struct str line)
{
	if (!k->text.cap)
		k->text.v = arena_alloc(&k->arena, k->text.cap = FIRST_TEXT);
	while (k->text.n + line.len + 1 > k->text.cap)
		k->text.v = vec_grow(&k->arena, k->text.v, 1, k->text.cap, &k->text.cap);
	memcpy(k->text.v + k->text.n, line.s, line.len);
	k->text.v[k->text.n + line.len] = '\n';
	k->text.n += line.len + 1;
}

static bool each_kept(struct ksyms *k, bool (*visit)(void *ctx, const struct ksym *), void *ctx)
{
	struct ksym sym;

	for (uint32_t beg = 0, end; beg < k->text.n; beg = end + 1) {
		const char *newline = memchr(k->text.v + beg, '\n', k->text.n - beg);

		end = (uint32_t)(newline - k->text.v);
		if (parse_line((struct str){ k->text.v + beg, end - beg }, &sym) && !visit(ctx, &sym))
			break;
	}
	return k->text.n != 0;
}

static bool each_read(struct ksyms *k, bool (*visit)(void *ctx, const struct ksym *), void *ctx)
{
	struct ksym sym;
	struct str line;
	bool any = false, more = true;

	while (more && lines_next(&k->lines, &line)) {
		/* The index is made once, of all: nobody asks for the text after it. */
		if (!k->indexed)
			keep_line(k, line);
		if (!parse_line(line, &sym))
			continue;
		any = true;
		more = visit(ctx, &sym);
	}
	k->whole = more && !k->indexed && !k->lines.failed;
	if (!k->whole)
		k->text.n = 0;
	return any;
}

bool ksyms_each(struct ksyms *k, bool (*visit)(void *ctx, const struct ksym *), void *ctx)
{
	bool any;

	if (k->whole)
		return each_kept(k, visit, ctx);
	if (!lines_open(&k->lines, &k->arena, "/proc/kallsyms"))
		return false;
	any = each_read(k, visit, ctx);
	lines_close(&k->lines);
	return any;
}

/* ---- naming addresses ------------------------------------------------------------------- */

static uint32_t keep_name(struct ksyms *k, struct str name)
{
	uint32_t offset = k->names.n;

	while (k->names.n + name.len + 1 > k->names.cap)
		k->names.v = vec_grow(&k->arena, k->names.v, 1, k->names.cap, &k->names.cap);
	memcpy(k->names.v + offset, name.s, name.len);
	k->names.v[offset + name.len] = '\0';
	k->names.n += name.len + 1;
	return offset;
}

/* Among several names of one address the file's first; a function before data. */
static int by_address(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	if (!a->name != !b->name)
		return a->name ? -1 : 1;
	return (a->name > b->name) - (a->name < b->name);
}

static bool index_one(void *ctx, const struct ksym *sym)
{
	struct ksyms *k = ctx;
	uint32_t n = k->entries.n;
	bool function = ksym_is_function(sym);

	/* Behind data, more data is no further fence; most of the file is such. (If the order is
	 * not by address, a fence is lost at worst.) */
	if (!sym->address || (!function && n && !k->entries.v[n - 1].name))
		return true;
	*vec_push(&k->arena, &k->entries) = (struct entry){
		sym->address, function ? keep_name(k, sym->name) : 0,
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
	k->names.v = arena_alloc(&k->arena, k->names.cap = FIRST_NAMES);
	k->entries.cap = FIRST_ENTRIES;
	k->entries.v = arena_alloc(&k->arena, k->entries.cap * sizeof *k->entries.v);
	keep_name(k, STR("")); /* so that no name is at 0 */
	ksyms_each(k, index_one, k);
	/* The kernel's own symbols are in order in most kernels, modules' are not. */
	if (k->ordered < k->entries.n)
		qsort(k->entries.v, k->entries.n, sizeof *k->entries.v, by_address);
	drop_aliases(k);
}

const char *ksyms_name(struct ksyms *k, uint64_t address, uint64_t *offset)
{
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
	if (!low || !k->entries.v[low - 1].name)
		return NULL;
	*offset = address - k->entries.v[low - 1].address;
	if (low == k->entries.n && *offset >= LAST_SYMBOL_SIZE)
		return NULL;
	return k->names.v + k->entries.v[low - 1].name;
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
