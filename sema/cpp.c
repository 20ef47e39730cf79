// SPDX-License-Identifier: Apache-2.0
/*
 * The preprocessor's lines: #define, #undef, #if and its like, #include.
 *
 * A header in angle brackets is the kernel's or the C library's, for which BTF and the table of constants
 * stand in; a file of that name in a folder given by -I is read all the same. What follows a condition that
 * doesn't hold is skipped, line by line, without a look at what else is in it.
 */
#include "lexer/lexer.h"
#include "sema/ctype.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { INCLUDES_NESTED = 32, HEADER_MAX = 64 << 20 };

/* ---- macros ----------------------------------------------------------------------------- */

static bool have_btf(struct script *s)
{
	const char *path = s->btf_path ? s->btf_path : target_path(&s->work, BTF_FOLDER "/vmlinux");

	return access(path, R_OK) == 0;
}

bool cpp_macro(struct script *s, struct str name, struct str *text)
{
	const struct cmacro *m = table_get(&s->ctypes.macros, name);

	if (m) {
		*text = m->text;
		return m->defined && !m->function;
	}
	*text = STR("1");
	return str_is(name, "BPFTRACE_HAVE_BTF") && have_btf(s);
}

bool cpp_defined(struct script *s, struct str name)
{
	const struct cmacro *m = table_get(&s->ctypes.macros, name);
	struct str text;

	return m ? m->defined : cpp_macro(s, name, &text);
}

static struct cmacro *set_macro(struct script *s, struct str name, bool defined, struct str text)
{
	struct cmacro *m = arena_alloc(&s->work, sizeof *m);

	*m = (struct cmacro){ .defined = defined, .text = text };
	table_set(&s->work, &s->ctypes.macros, name, m);
	return m;
}

/* ---- lines ------------------------------------------------------------------------------ */

/* A directive: its word, and what follows, with the line's continuations. */
struct line {
	struct script *s;
	struct cpp *p;
	struct str word, rest;
	uint32_t beg, end; /* in the text; end: of the whole line */
};

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static struct str first_word(struct str t)
{
	uint32_t n = 0;

	while (n < t.len && is_word(t.s[n]))
		n++;
	return (struct str){ t.s, n };
}

static struct str after(struct str t, struct str word)
{
	return str_trim((struct str){ word.s + word.len, t.len - (uint32_t)(word.s - t.s) - word.len });
}

/* Takes a comment off the end: "5 // five". Strings may hold what looks like one. */
static struct str uncommented(struct str t)
{
	bool quoted = false;

	for (uint32_t i = 0; i + 1 < t.len; i++) {
		if (t.s[i] == '\\' && quoted)
			i++;
		else if (t.s[i] == '"')
			quoted = !quoted;
		else if (!quoted && t.s[i] == '/' && t.s[i + 1] == '/')
			return str_trim((struct str){ t.s, i });
	}
	return t;
}

/* Continued lines in one. */
static struct str joined(struct arena *a, struct str t)
{
	char *copy;

	if (!memchr(t.s, '\n', t.len))
		return t;
	copy = str_dup(a, t);
	for (uint32_t i = 0; i < t.len; i++)
		if (copy[i] == '\n' || (copy[i] == '\\' && i + 1 < t.len && copy[i + 1] == '\n'))
			copy[i] = ' ';
	return (struct str){ copy, t.len };
}

static struct line read_line(struct script *s, struct cpp *p, uint32_t at)
{
	struct line l = { .s = s, .p = p, .beg = at, .end = directive_end(p->text, at) };
	struct str t = str_trim((struct str){ p->text.s + at + 1, l.end - at - 1 });

	l.word = first_word(t);
	l.rest = uncommented(after(t, l.word));
	return l;
}

static uint32_t fail(const struct line *l, const char *what)
{
	struct span at = { l->p->offset + l->beg, l->p->offset + l->end };

	if (l->p->file)
		return diag_error(&l->s->diag, l->p->included, "c-directive", "%s:%u: %s", l->p->file,
				  cpp_line_number(l->p, l->beg), what);
	return diag_error(&l->s->diag, at, "c-directive", "%s", what);
}

uint32_t cpp_line_number(const struct cpp *p, uint32_t at)
{
	uint32_t n = 1;

	for (uint32_t i = 0; i < at && i < p->text.len; i++)
		n += p->text.s[i] == '\n';
	return n;
}

/* ---- conditions ------------------------------------------------------------------------- */

static bool is_defined(const struct line *l)
{
	struct str name = first_word(l->rest);

	if (!name.len)
		fail(l, "expected a name");
	return cpp_defined(l->s, name);
}

static bool holds(const struct line *l)
{
	struct creader c;
	int64_t v = 0;

	if (str_is(l->word, "ifdef"))
		return is_defined(l);
	if (str_is(l->word, "ifndef"))
		return !is_defined(l);
	cread_begin_condition(&c, l->s, l->p, l->rest);
	if (cdecl_constant(&c, &v) && c.token.kind != C_END)
		cread_fail(&c, "'%.*s' is no part of a condition", STR_ARG(c.token.text));
	return v != 0;
}

static bool is_if(struct str word)
{
	return str_is(word, "if") || str_is(word, "ifdef") || str_is(word, "ifndef");
}

static struct cbranch *innermost(const struct line *l)
{
	return l->p->branches.n ? &l->p->branches.v[l->p->branches.n - 1] : NULL;
}

/* Is this one of #if and its like? Then it was acted upon. Within what is skipped every branch counts as
 * taken, so that its #else is none. */
static bool conditional(const struct line *l, bool skipped)
{
	struct cbranch *b = innermost(l);

	if (is_if(l->word)) {
		bool now = !skipped && holds(l);

		*vec_push(&l->s->work, &l->p->branches) =
			(struct cbranch){ .active = now, .taken = now || skipped, .beg = l->beg, .end = l->end };
		return true;
	}
	if (!str_is(l->word, "elif") && !str_is(l->word, "else") && !str_is(l->word, "endif"))
		return false;
	if (!b || (b->last && !str_is(l->word, "endif"))) {
		fail(l, b ? "there was an #else already" : "there is no #if for this");
	} else if (str_is(l->word, "endif")) {
		l->p->branches.n--;
	} else {
		b->last = str_is(l->word, "else");
		b->active = !b->taken && (b->last || holds(l));
		b->taken |= b->active;
	}
	return true;
}

static bool all_active(const struct cpp *p)
{
	for (uint32_t i = 0; i < p->branches.n; i++)
		if (!p->branches.v[i].active)
			return false;
	return true;
}

/* Where the next line begins that is not to be skipped. */
static uint32_t skip(struct script *s, struct cpp *p, uint32_t at)
{
	uint32_t beg = at, end = at;

	while (!all_active(p) && at < p->text.len) {
		struct line l;

		while (at < p->text.len && isspace((unsigned char)p->text.s[at]))
			at++;
		end = at;
		if (at < p->text.len && p->text.s[at] == '#') {
			l = read_line(s, p, at);
			conditional(&l, true);
		}
		at = directive_end(p->text, at);
	}
	if (!p->file && end > beg)
		*vec_push(&s->work, &s->skipped) = (struct span){ beg, all_active(p) ? end : at };
	return at;
}

void cpp_end(struct script *s, struct cpp *p)
{
	for (uint32_t i = 0; i < p->branches.n; i++) {
		struct line l = { .s = s, .p = p, .beg = p->branches.v[i].beg, .end = p->branches.v[i].end };

		fail(&l, "this condition has no #endif");
	}
}

/* ---- #define ---------------------------------------------------------------------------- */

static bool has_param(const struct cmacro *m, struct str name)
{
	for (uint32_t i = 0; i < m->params.n; i++)
		if (str_eq(m->params.v[i], name))
			return true;
	return false;
}

/* The parameters and the text that follows them: "a, b) a + b". False: reported. */
static bool read_params(const struct line *l, struct cmacro *m)
{
	struct str t = str_trim(m->text), name;
	bool more = !t.len || *t.s != ')';

	while (more) {
		name = first_word(t);
		t = after(t, name);
		m->variadic = str_starts(t, "...");
		if (m->variadic)
			t = str_trim((struct str){ t.s + 3, t.len - 3 });
		if (name.len ? isdigit((unsigned char)*name.s) || has_param(m, name) : !m->variadic)
			break;
		*vec_push(&l->s->work, &m->params) = name.len ? name : STR("__VA_ARGS__");
		more = !m->variadic && t.len && *t.s == ',';
		if (more)
			t = str_trim((struct str){ t.s + 1, t.len - 1 });
	}
	if (more || !t.len || *t.s != ')') {
		fail(l, "expected parameters, each with a name of its own: (a, b)");
		return false;
	}
	m->text = str_trim((struct str){ t.s + 1, t.len - 1 });
	return true;
}

static void define(const struct line *l)
{
	struct str name = first_word(l->rest), text = joined(&l->s->work, after(l->rest, name));
	bool function = name.len < l->rest.len && name.s[name.len] == '(';
	struct cmacro *m;

	if (!name.len || isdigit((unsigned char)*name.s)) {
		fail(l, "expected a name");
		return;
	}
	m = set_macro(l->s, name, true, text);
	if (!function)
		return;
	m->text = (struct str){ text.s + 1, text.len - 1 };
	m->function = read_params(l, m);
	m->defined = m->function;
}

/* ---- #include --------------------------------------------------------------------------- */

/* The file's text; *path is where it was found. NULL text: there is none. */
static struct str find_header(struct script *s, const char *folder, struct str name, const char **path)
{
	const char *error = NULL;

	*path = *name.s == '/' || !folder ? arena_printf(&s->work, "%.*s", STR_ARG(name))
					  : arena_printf(&s->work, "%s/%.*s", folder, STR_ARG(name));
	return access(*path, R_OK) ? (struct str){ NULL, 0 }
				   : source_read(&s->arena, *path, HEADER_MAX, &error);
}

/* The folder that the including file stands in. */
static const char *home_folder(struct script *s, const struct cpp *p)
{
	const char *file = p->file ? p->file : s->source.name, *slash = strrchr(file, '/');

	return slash ? arena_printf(&s->work, "%.*s", (int)(slash - file), file) : ".";
}

/* In one folder (NULL: none), then in those of -I. */
static struct str search_header(struct script *s, const char *folder, struct str name, const char **path)
{
	struct str text = { NULL, 0 };

	if (folder)
		text = find_header(s, folder, name, path);
	for (uint32_t i = 0; !text.s && i < s->include_dirs_n; i++)
		text = find_header(s, s->include_dirs[i], name, path);
	return text;
}

void cpp_file(struct script *s, const char *path, struct str text, struct span included, uint32_t nested)
{
	struct cpp p = { .text = text, .file = path, .included = included, .nested = nested };
	struct creader c;

	cread_begin_file(&c, s, &p);
	cdef_all(&c);
	cpp_end(s, &p);
}

static void include(const struct line *l)
{
	struct str name = l->rest;
	bool quoted = name.len > 2 && name.s[0] == '"' && name.s[name.len - 1] == '"';
	struct span at = { l->p->offset + l->beg, l->p->offset + l->end };
	const char *path;
	struct str text;

	if (!quoted && !(name.len > 2 && name.s[0] == '<' && name.s[name.len - 1] == '>')) {
		fail(l, "expected #include <name> or #include \"name\"");
		return;
	}
	name = (struct str){ name.s + 1, name.len - 2 };
	text = search_header(l->s, quoted ? home_folder(l->s, l->p) : NULL, name, &path);
	if (text.s && l->p->nested >= INCLUDES_NESTED)
		fail(l, "headers that include each other more than 32 deep");
	else if (text.s)
		cpp_file(l->s, path, text, l->p->file ? l->p->included : at, l->p->nested + 1);
	else if (quoted)
		diag_hint(&l->s->diag, fail(l, "there is no such file"),
			  "it is looked for beside this file and in the folders given by -I");
}

bool cpp_include(struct script *s, const char *name)
{
	const char *path;
	struct str text = find_header(s, NULL, str_of(name), &path);

	if (!text.s)
		text = search_header(s, NULL, str_of(name), &path);
	if (text.s)
		cpp_file(s, path, text, (struct span){ 0, 0 }, 0);
	return text.s || (strchr(name, '/') && *name != '/' && *name != '.');
}

/* ---- all -------------------------------------------------------------------------------- */

uint32_t cpp_directive(struct script *s, struct cpp *p, uint32_t at)
{
	struct line l = read_line(s, p, at);
	struct str name = first_word(l.rest);

	if (conditional(&l, false))
		return skip(s, p, l.end);
	if (str_is(l.word, "define"))
		define(&l);
	else if (str_is(l.word, "undef"))
		set_macro(s, name, false, name);
	else if (str_is(l.word, "include"))
		include(&l);
	else if (str_is(l.word, "error"))
		fail(&l, arena_printf(&s->work, "#error %.*s", STR_ARG(l.rest)));
	else if (l.word.len && !str_is(l.word, "pragma") && !str_is(l.word, "warning") &&
		 !str_is(l.word, "line"))
		fail(&l, arena_printf(&s->work, "unknown directive '#%.*s'", STR_ARG(l.word)));
	else if (!l.word.len && l.rest.len)
		fail(&l, *l.rest.s == '!' ? "'#!' names an interpreter only at the very beginning of a script"
					  : "expected a directive");
	return l.end;
}
