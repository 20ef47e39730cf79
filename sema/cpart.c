// SPDX-License-Identifier: Apache-2.0
/*
 * C in a script: definitions of types and the preprocessor's lines, which stand before and between the
 * probes. They are read here, and blanks take their place, so that everything else stays where it was
 * and the script's own grammar knows nothing of C.
 *
 * To tell what stands between probes from what stands in one, this follows the lexer's few rules on
 * comments, strings, attach points and predicates.
 */
#include <ctype.h>
#include <string.h>

#include "sema/ctype.h"

struct scan {
	struct script *s;
	struct cpp cpp;
	struct str text;   /* as the script has it */
	char *left;        /* what is left of it; NULL: everything */
	uint32_t at, braces;
	bool predicate;
};

static char peek(const struct scan *x, uint32_t ahead)
{
	return x->at + ahead < x->text.len ? x->text.s[x->at + ahead] : 0;
}

static void take_out(struct scan *x, uint32_t end)
{
	if (!x->left)
		x->left = str_dup(&x->s->work, x->text);
	for (; x->at < end; x->at++)
		if (x->text.s[x->at] != '\n')
			x->left[x->at] = ' ';
}

static void pass_comment(struct scan *x)
{
	const char *rest = x->text.s + x->at, *end;
	uint32_t n = x->text.len - x->at;

	if (peek(x, 1) == '/') {
		end = memchr(rest, '\n', n);
		x->at = end ? (uint32_t)(end - x->text.s) : x->text.len;
	} else {
		end = memmem(rest + 2, n - 2, "*/", 2);
		x->at = end ? (uint32_t)(end + 2 - x->text.s) : x->text.len;
	}
}

static void pass_string(struct scan *x)
{
	for (x->at++; peek(x, 0) && peek(x, 0) != '"' && peek(x, 0) != '\n'; x->at++)
		x->at += peek(x, 0) == '\\' && peek(x, 1) && peek(x, 1) != '\n';
	x->at += peek(x, 0) == '"';
}

/* An attach point goes to the next blank, comma or brace; quotes may hold those. */
static void pass_attach_point(struct scan *x)
{
	while (peek(x, 0) && !isspace((unsigned char)peek(x, 0)) && peek(x, 0) != ',' && peek(x, 0) != '{')
		if (peek(x, 0) == '"')
			pass_string(x);
		else
			x->at++;
}

static uint32_t word_length(const struct scan *x)
{
	uint32_t n = 0;

	while (isalnum((unsigned char)peek(x, n)) || peek(x, n) == '_' || peek(x, n) == '*')
		n++;
	return n;
}

static bool is_definition(const struct scan *x, struct str word)
{
	static const char *const words[] = { "struct", "union", "enum", "typedef" };
	char behind = peek(x, word.len);

	for (size_t i = 0; i < LEN(words); i++)
		if (str_is(word, words[i]))
			return isspace((unsigned char)behind) || behind == '{' || behind == '/';
	return false;
}

static void take_definition(struct scan *x)
{
	struct creader c;
	uint32_t end;

	cread_begin_at(&c, x->s, &x->cpp, x->at);
	cdef_declaration(&c);
	end = cread_position(&c);
	take_out(x, c.failed || end > x->text.len ? x->text.len : end);
}

static void pass_word(struct scan *x)
{
	struct str word = { x->text.s + x->at, word_length(x) };

	if (x->braces || x->predicate)
		x->at += word.len;
	else if (is_definition(x, word))
		take_definition(x);
	else if (peek(x, word.len) == ':')
		pass_attach_point(x);
	else
		x->at += word.len;
}

/* Is only blank before it on its line? */
static bool begins_line(const struct scan *x)
{
	uint32_t at = x->at;

	while (at && (x->text.s[at - 1] == ' ' || x->text.s[at - 1] == '\t'))
		at--;
	return !at || x->text.s[at - 1] == '\n';
}

static void step(struct scan *x)
{
	char c = peek(x, 0);

	if (c == '/' && (peek(x, 1) == '/' || peek(x, 1) == '*')) {
		pass_comment(x);
	} else if (c == '"') {
		pass_string(x);
	} else if (isalpha((unsigned char)c) || c == '_' || (c == '*' && !x->braces && !x->predicate)) {
		pass_word(x);
	} else if (c == '#' && !x->braces && begins_line(x)) {
		take_out(x, cpp_directive(x->s, &x->cpp, x->at));
	} else {
		if (c == '{')
			x->predicate = false;
		x->predicate |= c == '/' && !x->braces;
		x->braces += c == '{';
		x->braces -= c == '}' && x->braces;
		x->at++;
	}
}

struct str cpart_read(struct script *s)
{
	struct scan x = { .s = s, .text = s->source.text, .cpp.text = s->source.text };

	for (uint32_t i = 0; i < s->includes_n; i++)
		if (!cpp_include(s, s->includes[i]))
			diag_error(&s->diag, (struct span){ 0, 0 }, "include-option",
				   "--include %s: there is no such file", s->includes[i]);
	if (str_starts(x.text, "#!"))
		while (x.at < x.text.len && peek(&x, 0) != '\n')
			x.at++;
	while (x.at < x.text.len)
		step(&x);
	cpp_end(s, &x.cpp);
	return x.left ? (struct str){ x.left, x.text.len } : x.text;
}
