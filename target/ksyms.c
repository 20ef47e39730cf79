// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's symbols, from /proc/kallsyms:
 *
 *	ffffffff81234560 T vfs_read
 *	ffffffffc0a01000 t ext4_readdir	[ext4]
 *
 * The kernel formats that file line by line while it is read (about 40 ms for all of it), so no more of
 * it is read than it takes to answer a question, and what was read is kept for the next one. A name is
 * searched for in the text: to take all lines apart takes several times as long. Once searches have cost
 * as much as that, an index of names is made. To name an address takes the whole, ordered by address, in
 * which functions alone have names: the others are the fences that show where a function ends.
 * Unprivileged readers see zeros for addresses: the names can still be asked for, nothing can be named.
 */
#include "target/target.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A function reaches to the next symbol. The last one has none; this far it is believed. */
enum { LAST_SYMBOL_SIZE = 1 << 20 };
/* Room for most kernels' symbols, to begin with: what is not used costs nothing. */
enum { FIRST_SYMBOLS = 1 << 18, FIRST_TEXT = 16 << 20, PIECE = 1 << 16 };

struct symbol {
	uint64_t address;
	uint32_t name; /* where it stands in the text */
	uint16_t len, module_len;
	char type;
};

struct ksyms {
	struct arena arena;
	bool opened;
	int fd;          /* -1: closed, there is no more to be read */
	VEC(char) text;  /* as far as it was read */
	uint32_t parsed; /* as far as it is in symbols */
	VEC(struct symbol) symbols;
	bool by_address; /* they are whole, and no longer in the file's order */
	uint64_t searched; /* bytes, so far */
	/* By what stands before the first '.': 1 + the first symbol; and of each the next one. NULL: not made. */
	struct table by_name;
	uint32_t *next;
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
	char c = name.len ? name.s[0] : '$';

	return c == '$' || (c == '.' && str_starts(name, ".L")) || (c == 'L' && str_starts(name, "L0\001"));
}

/* "ffffffff81234560 T name", and "\t[module]" behind it. */
static bool parse_line(const struct ksyms *k, struct str line, struct symbol *sym)
{
	enum { DIGITS = 16, NAME = DIGITS + 3 };
	const char *end = line.s + line.len, *tab = NULL;
	struct str name;
	unsigned all = 0;

	if (line.len <= NAME || line.len > UINT16_MAX || line.s[DIGITS] != ' ' || line.s[DIGITS + 2] != ' ')
		return false;
	for (uint32_t i = 0; i < DIGITS; i++) {
		all |= hex_digit(line.s[i]);
		sym->address = sym->address << 4 | hex_digit(line.s[i]);
	}
	if (end[-1] == ']' && (tab = memchr(line.s, '\t', line.len)) && tab[1] == '[')
		sym->module_len = (uint16_t)(end - tab - 3);
	name = (struct str){ line.s + NAME, (uint32_t)((tab ? tab : end) - line.s) - NAME };
	sym->name = (uint32_t)(name.s - k->text.v);
	sym->len = (uint16_t)name.len;
	sym->type = line.s[DIGITS + 1];
	return all < 16 && !is_mapping_symbol(name);
}

static bool is_function(char type)
{
	return type == 'T' || type == 't' || type == 'W' || type == 'w';
}

bool ksym_is_function(const struct ksym *sym)
{
	return is_function(sym->type);
}

static bool read_more(struct ksyms *k)
{
	ssize_t got;

	if (!k->opened) {
		k->opened = true;
		k->fd = open(target_path(&k->arena, "/proc/kallsyms"), O_RDONLY | O_CLOEXEC);
		k->text.v = arena_alloc(&k->arena, k->text.cap = FIRST_TEXT);
		k->symbols.cap = FIRST_SYMBOLS;
		k->symbols.v = arena_alloc(&k->arena, k->symbols.cap * sizeof *k->symbols.v);
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

/* The next line that was not parsed yet. */
static bool next_line(struct ksyms *k, struct str *line)
{
	uint32_t beg = k->parsed, seen = 0, rest = k->text.n - beg;
	const char *newline;

	while (!(newline = rest > seen ? memchr(k->text.v + beg + seen, '\n', rest - seen) : NULL)) {
		seen = rest;
		if (!read_more(k))
			break;
		rest = k->text.n - beg;
	}
	*line = (struct str){ k->text.v + beg, newline ? (uint32_t)(newline - k->text.v) - beg : rest };
	k->parsed += line->len + (newline != NULL);
	return newline || line->len;
}

/* One symbol more. */
static bool parse_more(struct ksyms *k)
{
	struct str line;

	while (next_line(k, &line)) {
		struct symbol sym = { 0 };

		if (parse_line(k, line, &sym)) {
			*vec_push(&k->arena, &k->symbols) = sym;
			return true;
		}
	}
	return false;
}

static struct str name_of(const struct ksyms *k, const struct symbol *sym)
{
	return (struct str){ k->text.v + sym->name, sym->len };
}

static struct ksym whole(const struct ksyms *k, const struct symbol *sym)
{
	struct str name = name_of(k, sym), module = { "", 0 };

	if (sym->module_len)
		module = (struct str){ name.s + name.len + 2, sym->module_len };
	return (struct ksym){ sym->address, sym->type, name, module };
}

bool ksyms_each(struct ksyms *k, ksym_visit *visit, void *ctx)
{
	bool more = true;

	for (uint32_t i = 0; more && (i < k->symbols.n || parse_more(k)); i++) {
		struct ksym sym = whole(k, &k->symbols.v[i]);

		more = visit(ctx, &sym);
	}
	return k->text.n != 0;
}

/* ---- naming addresses ------------------------------------------------------------------- */

/* Among several names of one address the file's first; a function before data. */
static int by_address(const void *x, const void *y)
{
	const struct symbol *a = x, *b = y;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	if (is_function(a->type) != is_function(b->type))
		return is_function(a->type) ? -1 : 1;
	return (a->name > b->name) - (a->name < b->name);
}

/* How many of the first ones stay where they are: those in order, below all that are not. */
static uint32_t in_place(const struct symbol *v, uint32_t n)
{
	const struct symbol *least;
	uint32_t ordered = n ? 1 : 0;

	while (ordered < n && by_address(&v[ordered - 1], &v[ordered]) <= 0)
		ordered++;
	least = &v[ordered];
	for (uint32_t i = ordered; i < n; i++)
		least = by_address(&v[i], least) < 0 ? &v[i] : least;
	while (ordered && ordered < n && by_address(&v[ordered - 1], least) > 0)
		ordered--;
	return ordered;
}

/* The kernel's own symbols are in order in most kernels; those of modules and of BPF programs, which follow
 * them, are not. */
static void order(struct ksyms *k)
{
	uint32_t stay;

	while (parse_more(k))
		continue;
	k->next = NULL;
	stay = in_place(k->symbols.v, k->symbols.n);
	if (stay < k->symbols.n)
		qsort(k->symbols.v + stay, k->symbols.n - stay, sizeof *k->symbols.v, by_address);
	k->by_address = true;
}

struct str ksyms_name(struct ksyms *k, uint64_t address, uint64_t *offset)
{
	const struct symbol *sym = NULL;
	uint32_t low = 0, high;

	if (!k->by_address)
		order(k);
	high = k->symbols.n;
	/* Invariant: symbols below `low` start at or before the address, from `high` after it. */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (k->symbols.v[mid].address <= address)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || !k->symbols.v[low - 1].address)
		return STR("");
	for (high = low; high && k->symbols.v[high - 1].address == k->symbols.v[low - 1].address; high--)
		sym = &k->symbols.v[high - 1];
	*offset = address - sym->address;
	if (!is_function(sym->type) || (low == k->symbols.n && *offset >= LAST_SYMBOL_SIZE))
		return STR("");
	return name_of(k, sym);
}

/* ---- finding names ---------------------------------------------------------------------- */

/* The next line from *pos on that has the needle in it; *pos is moved behind it. */
static bool find_line(struct ksyms *k, struct str needle, uint32_t *pos, struct str *line)
{
	const char *text, *hit, *newline, *before;
	bool more = true;

	do {
		text = k->text.v;
		hit = k->text.n ? memmem(text + *pos, k->text.n - *pos, needle.s, needle.len) : NULL;
		newline = hit ? memchr(hit, '\n', (size_t)(text + k->text.n - hit)) : NULL;
		if (!hit && k->text.n - *pos >= needle.len)
			*pos = k->text.n - needle.len + 1;
		if (!newline)
			more = read_more(k);
	} while (!newline && more);
	if (!hit)
		return false;
	before = memrchr(text, '\n', (size_t)(hit - text));
	line->s = before ? before + 1 : text;
	line->len = (uint32_t)((newline ? newline : text + k->text.n) - line->s);
	*pos = (uint32_t)(line->s - text) + line->len;
	return true;
}

/* "name" itself, or "name.isra.0" */
static bool is_of(const struct ksyms *k, const struct symbol *sym, struct str name)
{
	const char *s = k->text.v + sym->name;

	return sym->len >= name.len && !memcmp(s, name.s, name.len) &&
	       (sym->len == name.len || s[name.len] == '.');
}

static void search_text(struct ksyms *k, struct str name, ksym_visit *visit, void *ctx)
{
	struct str needle = str_of(arena_printf(&k->arena, " %.*s", STR_ARG(name))), line;
	uint32_t pos = 0;
	bool more = true;

	while (more && find_line(k, needle, &pos, &line)) {
		struct symbol sym = { 0 };
		struct ksym found;

		if (!parse_line(k, line, &sym) || !is_of(k, &sym, name))
			continue;
		found = whole(k, &sym);
		more = visit(ctx, &found);
	}
	k->searched += pos;
}

static struct str before_dot(struct str name)
{
	const char *dot = memchr(name.s, '.', name.len);

	return dot ? (struct str){ name.s, (uint32_t)(dot - name.s) } : name;
}

static uint32_t first_of(const struct ksyms *k, struct str name)
{
	return (uint32_t)(uintptr_t)table_get(&k->by_name, before_dot(name));
}

/* From the last one to the first, so that each name's are in the file's order. */
static void index_names(struct ksyms *k)
{
	while (parse_more(k))
		continue;
	k->by_name = (struct table){ 0 };
	k->next = arena_alloc(&k->arena, (k->symbols.n + 1) * sizeof *k->next);
	for (uint32_t i = k->symbols.n; i; i--) {
		struct str name = name_of(k, &k->symbols.v[i - 1]);

		k->next[i - 1] = first_of(k, name);
		table_set(&k->arena, &k->by_name, before_dot(name), (void *)(uintptr_t)i);
	}
}

static void look_up(struct ksyms *k, struct str name, ksym_visit *visit, void *ctx)
{
	bool more = true;

	for (uint32_t i = first_of(k, name); i && more; i = k->next[i - 1]) {
		struct ksym found = whole(k, &k->symbols.v[i - 1]);

		if (is_of(k, &k->symbols.v[i - 1], name))
			more = visit(ctx, &found);
	}
}

bool ksyms_named(struct ksyms *k, struct str name, ksym_visit *visit, void *ctx)
{
	enum { SEARCHES = 24 }; /* cost as much as the index */

	if (!k->next && k->searched > (uint64_t)SEARCHES * k->text.n)
		index_names(k);
	if (k->next)
		look_up(k, name, visit, ctx);
	else
		search_text(k, name, visit, ctx);
	return k->text.n != 0;
}

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
	const char *text = str_dup(&k->arena, name);
	struct search search = { .name = name };

	/* What the kernel is asked about has no BPF programs' symbols. */
	if (strlen(text) != name.len || str_starts(name, "bpf_prog_") ||
	    !ksym_ask(&text, 1, &search.address))
		ksyms_named(k, name, search_one, &search);
	*found = search.found || search.address;
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
