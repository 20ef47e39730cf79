// SPDX-License-Identifier: Apache-2.0
/*
 * C's tokens: what declarations, constants and types in casts are made of. Macros are replaced on the way,
 * by their text, which is read in turn; a macro within itself stays a name.
 *
 * Directives are acted upon where they stand. A token's place in the script is its own, or that of the
 * macro's name that it comes from. What is no token is handed on as C_STRAY; the reader's user reports it,
 * once.
 */
#include "sema/ctype.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "lexer/lexer.h"

void cread_begin(struct creader *c, struct script *s, struct str text, uint32_t offset)
{
	*c = (struct creader){ .s = s, .n = 1, .offset = offset };
	c->input[0].text = text;
	cread_next(c);
}

void cread_begin_condition(struct creader *c, struct script *s, const struct cpp *p, struct str text)
{
	uint32_t at = (uint32_t)(text.s - p->text.s);

	*c = (struct creader){
		.s = s, .n = 1, .offset = p->offset, .home = p->file ? p : NULL, .condition = true
	};
	c->input[0] = (struct cinput){ .text = { p->text.s, at + text.len }, .at = at };
	cread_next(c);
}

void cread_begin_at(struct creader *c, struct script *s, struct cpp *p, uint32_t at)
{
	*c = (struct creader){
		.s = s, .n = 1, .offset = p->offset, .cpp = p, .home = p->file ? p : NULL, .defines = true
	};
	c->input[0] = (struct cinput){ .text = p->text, .at = at };
	cread_next(c);
}

void cread_begin_file(struct creader *c, struct script *s, struct cpp *p)
{
	cread_begin_at(c, s, p, 0);
}

uint32_t cread_position(const struct creader *c)
{
	return c->token.at.beg - c->offset;
}

static char peek(const struct cinput *in, uint32_t ahead)
{
	return in->at + ahead < in->text.len ? in->text.s[in->at + ahead] : 0;
}

/* Comments (one without an end is none), and the backslash at the end of a continued line. */
static uint32_t blank(const struct cinput *in)
{
	struct str rest = { in->text.s + in->at, in->text.len - in->at };
	const char *end;

	if (!rest.len)
		return 0;
	if (isspace((unsigned char)*rest.s))
		return 1;
	if (str_starts(rest, "\\\n"))
		return 2;
	if (str_starts(rest, "//")) {
		end = memchr(rest.s, '\n', rest.len);
		return end ? (uint32_t)(end - rest.s) : rest.len;
	}
	if (!str_starts(rest, "/*"))
		return 0;
	end = memmem(rest.s + 2, rest.len - 2, "*/", 2);
	return end ? (uint32_t)(end + 2 - rest.s) : 0;
}

static uint32_t word_length(const struct cinput *in)
{
	uint32_t n = 0;

	while (isalnum((unsigned char)peek(in, n)) || peek(in, n) == '_')
		n++;
	return n;
}

/* A literal from quote to quote; 0: it has no end on its line. */
static uint32_t quoted_length(const struct cinput *in)
{
	char quote = peek(in, 0);
	uint32_t n = 1;

	for (; peek(in, n) != quote; n++) {
		n += peek(in, n) == '\\';
		if (!peek(in, n) || peek(in, n) == '\n')
			return 0;
	}
	return n + 1;
}

static uint32_t punctuation_length(const struct cinput *in)
{
	static const char *const pairs[] = { "<<", ">>", "==", "!=", "<=", ">=", "&&", "||" };

	for (size_t i = 0; i < LEN(pairs); i++)
		if (peek(in, 0) == pairs[i][0] && peek(in, 1) == pairs[i][1])
			return 2;
	return 1;
}

static enum ctoken_kind number(struct str text, uint64_t *value)
{
	const char *error;

	return number_parse(text, value, &error) ? C_NUMBER : C_STRAY;
}

static enum ctoken_kind quoted(struct creader *c, struct str text, uint64_t *value)
{
	struct str bytes;
	const char *error;
	uint32_t where;

	if (!string_decode(&c->s->work, (struct str){ text.s + 1, text.len - 2 }, &bytes, &where, &error))
		return C_STRAY;
	if (*text.s == '"')
		return C_TEXT;
	*value = bytes.len ? (uint64_t)(int64_t)(signed char)*bytes.s : 0;
	return bytes.len == 1 ? C_NUMBER : C_STRAY;
}

/* The next token of the innermost text. */
static void take(struct creader *c, struct cinput *in)
{
	unsigned char first = (unsigned char)peek(in, 0);
	struct ctoken *t = &c->token;
	uint32_t n;

	t->text = (struct str){ in->text.s + in->at, 0 };
	if (first == '"' || first == '\'') {
		n = quoted_length(in);
		t->text.len = n ? n : 1;
		t->kind = n ? quoted(c, t->text, &t->value) : C_STRAY;
	} else if (isalnum(first) || first == '_') {
		t->text.len = word_length(in);
		t->kind = isdigit(first) ? number(t->text, &t->value) : C_NAME;
	} else {
		t->text.len = punctuation_length(in);
		t->kind = ispunct(first) ? C_PUNCT : C_STRAY;
	}
	if (c->n == 1)
		t->at = (struct span){ c->offset + in->at, c->offset + in->at + t->text.len };
	in->at += t->text.len;
}

/* The text that a name, perhaps with arguments behind it, stands for. False: it is no macro. */
static bool macro_text(struct creader *c, struct str *text)
{
	struct cinput *in = &c->input[c->n - 1];
	const char *error;
	uint32_t end = cpp_call(c->s, c->token.text, in->text, in->at, text, &error);

	if (error)
		cread_fail(c, "%s", error);
	else if (end)
		in->at = end;
	return !error && (end || cpp_macro(c->s, c->token.text, text));
}

/* Goes on with a macro's text in place of its name, if it is one. */
static bool enter_macro(struct creader *c)
{
	struct str text;

	if (c->token.kind != C_NAME || c->raw || c->n == CINPUTS)
		return false;
	for (uint32_t i = 1; i < c->n; i++)
		if (str_eq(c->input[i].macro, c->token.text))
			return false;
	if (!macro_text(c, &text))
		return false;
	c->input[c->n++] = (struct cinput){ .text = text, .macro = c->token.text };
	return true;
}

/* A '#' that is the first on its line. */
static bool is_directive(const struct creader *c, const struct cinput *in)
{
	uint32_t at = in->at;

	if (!c->cpp || c->n > 1 || peek(in, 0) != '#')
		return false;
	while (at && (in->text.s[at - 1] == ' ' || in->text.s[at - 1] == '\t'))
		at--;
	return !at || in->text.s[at - 1] == '\n';
}

/* To the next byte that is not blank, out of macros that have ended. False: there is none. */
static bool to_token(struct creader *c)
{
	for (;; c->n--) {
		struct cinput *in = &c->input[c->n - 1];

		for (uint32_t n = blank(in); n || is_directive(c, in); n = blank(in))
			in->at = n ? in->at + n : cpp_directive(c->s, c->cpp, in->at);
		if (in->at < in->text.len)
			return true;
		if (c->n == 1)
			return false;
	}
}

void cread_next(struct creader *c)
{
	do {
		if (!to_token(c)) {
			uint32_t end = c->offset + c->input[0].at;

			c->token = (struct ctoken){ C_END, STR(""), 0, { end, end } };
			return;
		}
		take(c, &c->input[c->n - 1]);
	} while (enter_macro(c));
}

bool cread_is(const struct creader *c, const char *text)
{
	return (c->token.kind == C_NAME || c->token.kind == C_PUNCT) && str_is(c->token.text, text);
}

bool cread_accept(struct creader *c, const char *text)
{
	if (!cread_is(c, text))
		return false;
	cread_next(c);
	return true;
}

uint32_t cread_fail(struct creader *c, const char *fmt, ...)
{
	va_list args;
	uint32_t e = 0;
	const char *text;

	if (!c->failed) {
		va_start(args, fmt);
		text = arena_vprintf(&c->s->work, fmt, args);
		va_end(args);
		if (c->home)
			e = diag_error(&c->s->diag, c->home->included, "c-type", "%s:%u: %s", c->home->file,
				       cpp_line_number(c->home, cread_position(c)), text);
		else
			e = diag_error(&c->s->diag, c->token.at, "c-type", "%s", text);
	}
	c->failed = true;
	/* Nothing more is read: whoever loops over tokens comes to an end. */
	c->n = 1;
	c->input[0].at = c->input[0].text.len;
	c->token.kind = C_END;
	return e;
}
