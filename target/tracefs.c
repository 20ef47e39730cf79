// SPDX-License-Identifier: Apache-2.0
/*
 * tracefs: the kernel's tracepoints, their record layouts, and the functions that can be probed.
 *
 * Each tracepoint is a directory events/CATEGORY/EVENT with the small files `id` (what perf wants)
 * and `format` (where each field lies in the record):
 *
 *	ID: 310
 *	format:
 *		field:unsigned short common_type;	offset:0;	size:2;	signed:0;
 *
 *		field:char comm[16];	offset:8;	size:16;	signed:0;
 *		field:__data_loc char[] name;	offset:24;	size:4;	signed:0;
 *
 * The parser believes nothing of that text: what it can't make sense of it leaves out, and it is a
 * plain loop over slices. A question about one event opens one file; only wildcards scan
 * directories.
 */
#include "target/target.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No record is larger: perf's limit is 8 KiB. */
enum { RECORD_MAX = 1 << 16 };

/* ---- where it is ------------------------------------------------------------------------ */

static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };

const char *tracefs_root(struct arena *a, const char **why)
{
	bool refused = false;

	for (size_t i = 0; i < LEN(places); i++) {
		const char *root = target_path(a, places[i]);

		if (!access(arena_printf(a, "%s/events", root), R_OK | X_OK))
			return root;
		refused |= errno == EACCES || errno == EPERM;
	}
	*why = refused ? "tracefs can't be read: run as root, or with CAP_DAC_READ_SEARCH"
		       : "tracefs is not mounted: mount -t tracefs tracefs /sys/kernel/tracing";
	return NULL;
}

/* Names become parts of paths: they must not lead elsewhere. */
static bool is_plain(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/');
}

/* Reading it is how to learn whether the event exists. Empty: it doesn't. */
static struct str read_event_file(struct arena *a, const char *category, const char *event,
				  const char *file)
{
	struct str text = { "", 0 };

	errno = ENOENT;
	if (!is_plain(category) || !is_plain(event))
		return text;
	for (size_t i = 0; i < LEN(places) && !text.len; i++)
		text = target_read(a, arena_printf(a, "%s/events/%s/%s/%s", places[i], category,
						   event, file));
	return text;
}

/* ---- the format file -------------------------------------------------------------------- */

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* Cuts *rest at the first `end`: what stood before it is returned. All of it, if there is none. */
static struct str cut(struct str *rest, char end)
{
	const char *found = rest->len ? memchr(rest->s, end, rest->len) : NULL;
	struct str before = *rest;

	if (!found) {
		rest->s += rest->len;
		rest->len = 0;
		return before;
	}
	before.len = (uint32_t)(found - rest->s);
	rest->s += before.len + 1;
	rest->len -= before.len + 1;
	return before;
}

static bool skip_prefix(struct str *s, const char *prefix)
{
	uint32_t len = (uint32_t)strlen(prefix);

	if (!str_starts(*s, prefix))
		return false;
	s->s += len;
	s->len -= len;
	return true;
}

/* What an element of this C type takes, where the name tells; 0 where it doesn't. */
static uint32_t size_of_ctype(struct str ctype)
{
	static const struct { const char *name; uint32_t size; } known[] = {
		{ "char", 1 }, { "bool", 1 }, { "u8", 1 },  { "s8", 1 },   { "int8", 1 },
		{ "short", 2 }, { "16", 2 },  { "long", 8 }, { "64", 8 },  { "*", 8 },
		{ "size_t", 8 }, { "32", 4 }, { "int", 4 }, { "unsigned", 4 },
	};

	for (size_t i = 0; i < LEN(known); i++)
		if (memmem(ctype.s, ctype.len, known[i].name, strlen(known[i].name)))
			return known[i].size;
	return 0;
}

/* The length in a declaration may be an expression that only the kernel's compiler understood, so
 * the size of the whole has the last word. */
static void set_elements(struct tracefs_field *f, struct str ctype, struct str length)
{
	uint64_t n;
	uint32_t one = size_of_ctype(ctype);

	if (str_to_u64(str_trim(length), &n) && n && n <= f->size && f->size % n == 0)
		one = f->size / (uint32_t)n;
	if (!one || f->size % one)
		one = 1;
	f->element_size = one;
	f->elements = f->size / one;
}

/* "const char * filename", "char comm[16]", "__data_loc char[] name"; f->size is known. */
static bool parse_declaration(struct arena *a, struct str decl, struct tracefs_field *f)
{
	struct str length = { "", 0 }, brackets = { "", 0 };
	uint32_t end;

	decl = str_trim(decl);
	f->rel_loc = skip_prefix(&decl, "__rel_loc ");
	f->data_loc = f->rel_loc || skip_prefix(&decl, "__data_loc ");
	if (decl.len && decl.s[decl.len - 1] == ']') {
		struct str rest = decl;

		decl = cut(&rest, '[');
		brackets = (struct str){ rest.s - 1, rest.len + 1 };
		length = cut(&rest, ']');
		if (rest.len)
			length.len = 0; /* two dimensions */
	}
	decl = str_trim(decl);
	for (end = decl.len; end && is_name(decl.s[end - 1]); end--)
		;
	f->name = (struct str){ decl.s + end, decl.len - end };
	f->ctype = str_trim((struct str){ decl.s, end });
	if (!f->name.len || !f->ctype.len)
		return false;
	f->pointer = !f->data_loc && !brackets.len && memchr(f->ctype.s, '*', f->ctype.len);
	if (brackets.len) {
		if (!f->data_loc)
			set_elements(f, f->ctype, length);
		f->ctype = str_of(arena_printf(a, "%.*s%.*s", STR_ARG(f->ctype),
					       STR_ARG(brackets)));
	} else if (f->data_loc) {
		f->element_size = size_of_ctype(f->ctype);
	}
	return true;
}

/* "	field:DECL;	offset:N;	size:N;	signed:N;" */
static bool parse_field(struct arena *a, struct str line, struct tracefs_field *f)
{
	struct str decl = cut(&line, ';');
	bool has_offset = false, has_size = false;

	while (line.len) {
		struct str value = str_trim(cut(&line, ';')), key = cut(&value, ':');
		uint64_t n;

		if (!str_to_u64(str_trim(value), &n) || n > RECORD_MAX)
			continue;
		if (str_is(key, "offset")) {
			f->offset = (uint32_t)n;
			has_offset = true;
		} else if (str_is(key, "size")) {
			f->size = (uint32_t)n;
			has_size = true;
		} else if (str_is(key, "signed")) {
			f->is_signed = n;
		}
	}
	return has_offset && has_size && f->offset + f->size <= RECORD_MAX &&
	       parse_declaration(a, decl, f) && (!f->data_loc || f->size == 4);
}

bool tracefs_parse(struct arena *a, struct str text, struct tracefs_event *event)
{
	bool has_id = false;

	*event = (struct tracefs_event){ 0 };
	while (text.len) {
		struct str line = str_trim(cut(&text, '\n'));
		struct tracefs_field field = { 0 };
		uint64_t id;

		if (skip_prefix(&line, "ID:")) {
			has_id = str_to_u64(str_trim(line), &id) && id <= INT32_MAX;
			event->id = has_id ? (uint32_t)id : 0;
		} else if (skip_prefix(&line, "print fmt:")) {
			break;
		} else if (skip_prefix(&line, "field:") && parse_field(a, line, &field)) {
			if (field.offset + field.size > event->size)
				event->size = field.offset + field.size;
			if (!str_starts(field.name, "common_"))
				*vec_push(a, &event->fields) = field;
		}
	}
	return has_id;
}

bool tracefs_event(struct arena *a, const char *category, const char *name,
		   struct tracefs_event *event)
{
	struct str text = read_event_file(a, category, name, "format");

	if (!text.len)
		return false;
	errno = EINVAL;
	return tracefs_parse(a, text, event);
}

int64_t tracefs_event_id(struct arena *a, const char *category, const char *name)
{
	struct str text = read_event_file(a, category, name, "id");
	uint64_t id;

	return str_to_u64(str_trim(text), &id) && id <= INT32_MAX ? (int64_t)id : -1;
}

/* ---- wildcards -------------------------------------------------------------------------- */

struct names {
	VEC(const char *) list;
};

static int by_name(const void *x, const void *y)
{
	return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* As the full names sort, where a category ends in ':': "fib6:" stands before "fib:". */
static int by_category(const void *x, const void *y)
{
	const char *a = *(const char *const *)x, *b = *(const char *const *)y;

	while (*a && *a == *b)
		a++, b++;
	return (*a ? (unsigned char)*a : ':') - (*b ? (unsigned char)*b : ':');
}

/* The directories in a directory whose names match, in no order. */
static void list_directories(struct arena *a, const char *path, struct str pattern,
			     struct names *names)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir)))
		if ((e->d_type == DT_DIR || e->d_type == DT_UNKNOWN) && is_plain(e->d_name) &&
		    glob_match(pattern, str_of(e->d_name)))
			*vec_push(a, &names->list) = arena_printf(a, "%s", e->d_name);
	closedir(dir);
}

/* A name without a wildcard is taken as it stands, unread. */
static void find_names(struct arena *a, const char *path, struct str pattern, struct names *names,
		       int (*order)(const void *, const void *))
{
	if (glob_has(pattern))
		list_directories(a, path, pattern, names);
	else
		*vec_push(a, &names->list) = str_dup(a, pattern);
	if (names->list.n)
		qsort(names->list.v, names->list.n, sizeof *names->list.v, order);
}

/* The events of "ftrace" describe what its tracers record; nothing can be attached to them. */
static bool is_wanted(struct str pattern, const char *category)
{
	return is_plain(category) && (!glob_has(pattern) || strcmp(category, "ftrace"));
}

uint32_t tracefs_each(struct arena *a, struct str category, struct str event,
		      void (*visit)(void *ctx, const char *category, const char *event), void *ctx)
{
	struct names categories = { 0 };
	const char *why, *root = tracefs_root(a, &why);
	uint32_t n = 0;

	if (!root)
		return 0;
	find_names(a, arena_printf(a, "%s/events", root), category, &categories, by_category);
	for (uint32_t i = 0; i < categories.list.n; i++) {
		const char *c = categories.list.v[i];
		struct names events = { 0 };

		if (!is_wanted(category, c))
			continue;
		find_names(a, arena_printf(a, "%s/events/%s", root, c), event, &events, by_name);
		for (uint32_t j = 0; j < events.list.n; j++) {
			const char *e = events.list.v[j];

			if (!glob_has(event) && tracefs_event_id(a, c, e) < 0)
				continue;
			visit(ctx, c, e);
			n++;
		}
	}
	return n;
}

/* ---- functions -------------------------------------------------------------------------- */

struct function {
	struct str name, module;
};

struct functions {
	struct arena *arena;
	struct str pattern;
	VEC(struct function) list;
};

/* Not functions that a probe can be put on, though they stand in the lists. */
static bool is_marker(struct str name)
{
	return str_starts(name, "__ftrace_invalid_address_") || str_starts(name, "__pfx_") ||
	       str_starts(name, "__cfi_");
}

static void keep_function(struct functions *f, struct str name, struct str module)
{
	struct function kept = { name, module };

	if (!glob_match(f->pattern, name) || is_marker(name))
		return;
	kept.name.s = str_dup(f->arena, name);
	if (module.len)
		kept.module.s = str_dup(f->arena, module);
	*vec_push(f->arena, &f->list) = kept;
}

/* "vfs_read" and "ext4_readdir [ext4]", a line each */
static bool read_filter_functions(struct functions *f, const char *root)
{
	const char *path = arena_printf(f->arena, "%s/available_filter_functions", root);
	struct lines *lines = arena_alloc(f->arena, sizeof *lines);
	struct str line;

	if (!lines_open(lines, f->arena, path))
		return false;
	while (lines_next(lines, &line)) {
		struct str name = cut(&line, ' '), module = { "", 0 };

		if (line.len > 2 && line.s[0] == '[' && line.s[line.len - 1] == ']')
			module = (struct str){ line.s + 1, line.len - 2 };
		keep_function(f, name, module);
	}
	lines_close(lines);
	return !lines->failed;
}

bool tracefs_is_traced(struct arena *a, struct str function, bool *yes)
{
	struct functions f = { .arena = a, .pattern = function };
	bool known = read_filter_functions(&f, places[0]) || read_filter_functions(&f, places[1]);

	*yes = f.list.n > 0;
	return known;
}

static bool keep_symbol(void *ctx, const struct ksym *sym)
{
	if (ksym_is_function(sym))
		keep_function(ctx, sym->name, sym->module);
	return true;
}

static bool each_symbol(struct ksyms *k, struct functions *f)
{
	struct ksyms *own = k ? NULL : ksyms_open();
	bool readable = ksyms_each(k ? k : own, keep_symbol, f);

	if (own)
		ksyms_close(own);
	return readable;
}

static int by_function(const void *x, const void *y)
{
	const struct function *a = x, *b = y;
	int order = str_cmp(a->name, b->name);

	return order ? order : str_cmp(a->module, b->module);
}

bool tracefs_functions(struct arena *a, struct ksyms *k, struct str pattern,
		       void (*visit)(void *ctx, const char *function, const char *module), void *ctx)
{
	struct functions f = { .arena = a, .pattern = pattern };

	if (!read_filter_functions(&f, places[0]) && !read_filter_functions(&f, places[1])) {
		f.list.n = 0; /* a read that broke off is not a list */
		if (!each_symbol(k, &f))
			return false;
	}
	if (f.list.n)
		qsort(f.list.v, f.list.n, sizeof *f.list.v, by_function);
	for (uint32_t i = 0; i < f.list.n; i++)
		if (!i || by_function(&f.list.v[i - 1], &f.list.v[i]))
			visit(ctx, f.list.v[i].name.s, f.list.v[i].module.s);
	return true;
}
