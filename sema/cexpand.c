// SPDX-License-Identifier: Apache-2.0
/*
 * Calls of macros with parameters: #define BIT(n) (1 << (n)). Text in, text out, by C's rules: an argument
 * is expanded before it takes its parameter's place, unless # quotes it or ## joins it to what is beside
 * it; then the result is looked through for further calls, and no macro is expanded within itself.
 *
 * Macros without parameters stay names here: who reads the text asks what they stand for. One whose text
 * is the name of a macro with parameters is that macro, where it is called.
 */
#include "sema/ctype.h"

#include <ctype.h>
#include <string.h>

enum { CALLS_MAX = 10000, TEXT_MAX = 1 << 20, ALIASES_MAX = 32, CALLS_NESTED = 100 };

/* A macro that is being expanded. */
struct hidden {
	struct str name;
	const struct hidden *outer;
};

struct expander {
	struct script *s;
	const char *error; /* what is wrong; NULL: nothing */
	uint32_t calls, nested;
};

struct writer {
	VEC(char) text;
};

struct arguments {
	VEC(struct str) list;
};

static void expand_text(struct expander *, struct str, const struct hidden *, struct writer *);

/* ---- text ------------------------------------------------------------------------------- */

static void put(struct expander *x, struct writer *w, struct str t)
{
	if (w->text.n + t.len > TEXT_MAX) {
		x->error = "macros that expand to more than a megabyte";
		return;
	}
	for (uint32_t i = 0; i < t.len; i++)
		*vec_push(&x->s->work, &w->text) = t.s[i];
}

static struct str written(const struct writer *w)
{
	return w->text.n ? (struct str){ w->text.v, w->text.n } : STR("");
}

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static uint32_t blanks(struct str t, uint32_t at)
{
	uint32_t n = 0;

	while (at + n < t.len && isspace((unsigned char)t.s[at + n]))
		n++;
	return n;
}

/* What stands at `at` as one piece: a literal, a name, a number, a comment or a character. */
static struct str piece(struct str t, uint32_t at)
{
	const char *s = t.s + at, *end;
	uint32_t left = t.len - at, n = 1;

	if (*s == '"' || *s == '\'') {
		while (n < left && s[n] != *s)
			n += 1 + (s[n] == '\\' && n + 1 < left);
		n = n < left ? n + 1 : left;
	} else if (in_word(*s)) {
		while (n < left && in_word(s[n]))
			n++;
	} else if (left > 1 && s[0] == '/' && s[1] == '*') {
		end = memmem(s + 2, left - 2, "*/", 2);
		n = end ? (uint32_t)(end + 2 - s) : left;
	} else if (left > 1 && s[0] == '/' && s[1] == '/') {
		end = memchr(s, '\n', left);
		n = end ? (uint32_t)(end - s) : left;
	}
	return (struct str){ s, n };
}

static bool is_name(struct str p)
{
	return in_word(*p.s) && !isdigit((unsigned char)*p.s);
}

static bool is_comment(struct str p)
{
	return p.len > 1 && *p.s == '/';
}

/* ---- arguments -------------------------------------------------------------------------- */

static void add_argument(struct expander *x, struct arguments *args, struct str t)
{
	*vec_push(&x->s->work, &args->list) = str_trim(t);
}

/* From the '(' at t[at] on. Returns where it ends, behind the ')'; 0: nowhere. */
static uint32_t read_arguments(struct expander *x, struct str t, uint32_t at, struct arguments *args)
{
	uint32_t beg = at + 1, depth = 0;
	struct str p;

	for (; at < t.len; at += p.len) {
		p = piece(t, at);
		if (*p.s == '(' || *p.s == '[' || *p.s == '{')
			depth++;
		else if (*p.s == ')' || *p.s == ']' || *p.s == '}')
			depth -= depth > 0;
		if ((*p.s == ',' && depth == 1) || !depth) {
			add_argument(x, args, (struct str){ t.s + beg, at - beg });
			beg = at + 1;
		}
		if (!depth)
			return at + 1;
	}
	return 0;
}

/* Those that "..." stands for are one. */
static void fit_arguments(struct expander *x, struct str name, const struct cmacro *m, struct arguments *args)
{
	if (!m->params.n && args->list.n == 1 && !args->list.v[0].len)
		args->list.n = 0;
	if (m->variadic && args->list.n + 1 == m->params.n)
		add_argument(x, args, STR(""));
	if (m->variadic && args->list.n > m->params.n) {
		struct str *rest = &args->list.v[m->params.n - 1], last = args->list.v[args->list.n - 1];

		rest->len = (uint32_t)(last.s + last.len - rest->s);
		args->list.n = m->params.n;
	}
	if (args->list.n != m->params.n)
		x->error = arena_printf(&x->s->work, "macro '%.*s' takes %u argument%s, %u given", STR_ARG(name),
					m->params.n, m->params.n == 1 ? "" : "s", args->list.n);
}

/* ---- the body --------------------------------------------------------------------------- */

/* Which parameter a name is; -1: none. */
static int param_index(const struct cmacro *m, struct str name)
{
	for (uint32_t i = 0; i < m->params.n; i++)
		if (str_eq(m->params.v[i], name))
			return (int)i;
	return -1;
}

/* #parameter: as a literal. */
static void quote(struct expander *x, struct writer *w, struct str arg)
{
	bool literal = false;

	put(x, w, STR("\""));
	for (uint32_t i = 0; i < arg.len; i++) {
		if (arg.s[i] == '"' || (arg.s[i] == '\\' && literal))
			put(x, w, STR("\\"));
		literal ^= arg.s[i] == '"' && (!i || arg.s[i - 1] != '\\');
		put(x, w, (struct str){ arg.s + i, 1 });
	}
	put(x, w, STR("\""));
}

static bool joins_at(struct str t, uint32_t at)
{
	at += blanks(t, at);
	return at + 1 < t.len && t.s[at] == '#' && t.s[at + 1] == '#';
}

/* An argument in its parameter's place; beside ## as it was written. */
static void put_argument(struct expander *x, struct writer *w, struct str arg, bool joined,
			 const struct hidden *hidden)
{
	if (joined) {
		put(x, w, arg);
		return;
	}
	put(x, w, STR(" "));
	expand_text(x, arg, hidden, w);
	put(x, w, STR(" "));
}

static struct str substitute(struct expander *x, const struct cmacro *m, const struct arguments *args,
			     const struct hidden *hidden)
{
	struct str t = m->text, p;
	struct writer w = { 0 };
	bool joined = false;

	for (uint32_t at = 0; at < t.len && !x->error; at += p.len) {
		int i;

		p = piece(t, at);
		if (joins_at(t, at)) {
			while (w.text.n && isspace((unsigned char)w.text.v[w.text.n - 1]))
				w.text.n--;
			p.len = blanks(t, at) + 2;
			p.len += blanks(t, at + p.len);
			joined = true;
			continue;
		}
		i = is_name(p) ? param_index(m, p) : -1;
		if (i >= 0) {
			put_argument(x, &w, args->list.v[i], joined || joins_at(t, at + p.len), hidden);
		} else if (*p.s == '#') {
			uint32_t gap = 1 + blanks(t, at + 1);

			i = at + gap < t.len ? param_index(m, piece(t, at + gap)) : -1;
			if (i < 0) {
				x->error = "# stands before a parameter";
				break;
			}
			p.len = gap + piece(t, at + gap).len;
			quote(x, &w, args->list.v[i]);
		} else {
			put(x, &w, is_comment(p) ? STR(" ") : p);
		}
		joined = false;
	}
	return written(&w);
}

/* ---- calls ------------------------------------------------------------------------------ */

const struct cmacro *cpp_function(struct script *s, struct str name)
{
	const struct cmacro *m = table_get(&s->ctypes.macros, name);

	for (uint32_t i = 0; i < ALIASES_MAX && m && m->defined && !m->function; i++)
		m = m->text.len ? table_get(&s->ctypes.macros, str_trim(m->text)) : NULL;
	return m && m->defined && m->function ? m : NULL;
}

static bool is_hidden(const struct hidden *h, struct str name)
{
	while (h && !str_eq(h->name, name))
		h = h->outer;
	return h != NULL;
}

/* The call of a macro whose '(' is at t[at]. Returns where it ends; 0: it is none. */
static uint32_t expand_call(struct expander *x, struct str name, struct str t, uint32_t at,
		     const struct hidden *hidden, struct writer *w)
{
	const struct cmacro *m = cpp_function(x->s, name);
	struct hidden h = { name, hidden };
	struct arguments args = { 0 };
	uint32_t end;

	if (!m || at == t.len || t.s[at] != '(' || is_hidden(hidden, name))
		return 0;
	end = read_arguments(x, t, at, &args);
	if (!end)
		x->error = arena_printf(&x->s->work, "the call of macro '%.*s' has no end", STR_ARG(name));
	else
		fit_arguments(x, name, m, &args);
	if (!x->error && (++x->calls > CALLS_MAX || x->nested == CALLS_NESTED))
		x->error = "too many calls of macros within each other";
	x->nested++;
	if (!x->error)
		expand_text(x, substitute(x, m, &args, hidden), &h, w);
	x->nested--;
	return end ? end : t.len;
}

static void expand_text(struct expander *x, struct str t, const struct hidden *hidden, struct writer *w)
{
	struct str p;

	for (uint32_t at = 0; at < t.len && !x->error; at += p.len) {
		uint32_t end = 0;

		p = piece(t, at);
		if (is_name(p))
			end = expand_call(x, p, t, at + p.len + blanks(t, at + p.len), hidden, w);
		if (end)
			p.len = end - at;
		else
			put(x, w, is_comment(p) ? STR(" ") : p);
	}
}

bool cpp_expand(struct script *s, struct str *text, const char **error)
{
	struct expander x = { .s = s };
	struct writer w = { 0 };

	expand_text(&x, *text, NULL, &w);
	*text = written(&w);
	*error = x.error;
	return !x.error;
}

uint32_t cpp_call(struct script *s, struct str name, struct str text, uint32_t at, struct str *result,
		  const char **error)
{
	struct expander x = { .s = s };
	struct writer w = { 0 };
	uint32_t end = expand_call(&x, name, text, at + blanks(text, at), NULL, &w);

	*result = written(&w);
	*error = x.error;
	return end;
}
