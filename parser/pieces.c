// SPDX-License-Identifier: Apache-2.0
/*
 * A script's text -> pieces: the tokens that the parser had, and what stands between them, which the
 * parser never saw: comments, lines of the preprocessor's, definitions in C.
 *
 * Where a token begins is the lexer's to say, so nothing is told apart here in another way than there.
 * C's definitions are taken apart into words and single characters: enough to lay them out. Whether a
 * condition held is not known here; what follows a directive and is no definition was left out by one.
 */
#include "parser/layout.h"

#include <ctype.h>
#include <string.h>

#include "lexer/lexer.h"
#include "parser/grammar.h"

struct reader {
	struct pieces *p;
	const struct parser *parser;
	uint32_t at, end;  /* of what is between two tokens */
	bool c, is_typedef; /* within a definition */
	uint32_t depth;
	int last;          /* kind of its last piece */
};

static struct str rest(const struct reader *r)
{
	return (struct str){ r->p->text.s + r->at, r->end - r->at };
}

static void add(struct reader *r, int kind, uint32_t beg, uint32_t end, bool c)
{
	struct pieces *p = r->p;
	uint32_t from = p->list.n ? p->list.v[p->list.n - 1].at.end : 0, breaks = 0;

	for (uint32_t i = from; i < beg && breaks < 2; i++)
		breaks += p->text.s[i] == '\n';
	*vec_push(p->arena, &p->list) =
		(struct piece){ .kind = kind, .c = c, .breaks = (uint8_t)breaks, .at = { beg, end } };
	r->at = end;
}

/* Without the blanks at its end. */
static void add_trimmed(struct reader *r, int kind, uint32_t beg, uint32_t end)
{
	while (end > beg + 1 && isspace((unsigned char)r->p->text.s[end - 1]))
		end--;
	add(r, kind, beg, end, false);
}

static uint32_t find(const struct reader *r, uint32_t from, const char *what)
{
	const char *s = r->p->text.s, *found = memmem(s + from, r->end - from, what, strlen(what));

	return found ? (uint32_t)(found - s) : r->end;
}

static void add_skipped(struct reader *);

/* What was left out may hold the beginning of one only. */
static void add_block_comment(struct reader *r)
{
	uint32_t end = find(r, r->at + 2, "*/");

	if (end < r->end)
		add(r, P_BLOCK, r->at, end + 2, r->c);
	else
		add_skipped(r);
}

/* ---- C ---------------------------------------------------------------------------------- */

static uint32_t word_length(struct str t)
{
	uint32_t n = 0;

	while (n < t.len && (isalnum((unsigned char)t.s[n]) || t.s[n] == '_'))
		n++;
	return n;
}

static uint32_t literal_length(struct str t)
{
	uint32_t n = 1;

	while (n < t.len && t.s[n] != *t.s && t.s[n] != '\n')
		n += 1 + (t.s[n] == '\\' && n + 1 < t.len);
	return n < t.len ? n + 1 : t.len;
}

static bool is_pair(struct str t)
{
	static const char *const pairs[] = { "<<", ">>", "&&", "||", "==", "!=", "<=", ">=" };

	for (size_t i = 0; i < LEN(pairs); i++)
		if (str_starts(t, pairs[i]))
			return true;
	return false;
}

static bool begins_definition(struct str t)
{
	static const char *const words[] = { "struct", "union", "enum", "typedef" };
	struct str word = { t.s, word_length(t) };

	for (size_t i = 0; i < LEN(words); i++)
		if (str_is(word, words[i]))
			return true;
	return false;
}

static void add_c(struct reader *r)
{
	struct str t = rest(r);
	uint32_t n = word_length(t);
	int kind = ID;

	if (!n && (*t.s == '"' || *t.s == '\'')) {
		n = literal_length(t);
		kind = STRING;
	} else if (!n) {
		n = 1 + is_pair(t);
		kind = n == 2 ? SHL : (unsigned char)*t.s;
	}
	r->depth += kind == '{';
	r->depth -= kind == '}' && r->depth;
	r->last = kind;
	add(r, kind, r->at, r->at + n, true);
}

/* A definition ends with its ';', which may be missing behind a body and its attributes. */
static bool definition_ended(const struct reader *r)
{
	if (r->depth)
		return false;
	if (r->last == ')' && begins_definition(rest(r)))
		return true;
	return r->last == ';' || (r->last == '}' && !r->is_typedef && *rest(r).s != ';' &&
				  !str_starts(rest(r), "__attribute__"));
}

/* ---- between tokens --------------------------------------------------------------------- */

/* To the next line that begins with '#'. Its first line keeps the blanks before it. */
static void add_skipped(struct reader *r)
{
	const char *s = r->p->text.s;
	uint32_t beg = r->at, end = beg, i = beg;

	while (beg && (s[beg - 1] == ' ' || s[beg - 1] == '\t'))
		beg--;
	if (beg && s[beg - 1] != '\n')
		beg = r->at;
	while (end < r->end) {
		end = find(r, end, "\n");
		for (i = end; i < r->end && isspace((unsigned char)s[i]); i++)
			;
		if (i < r->end && s[i] == '#')
			break;
		end = i;
	}
	add_trimmed(r, P_SKIPPED, beg, end);
}

/* What a condition of C left out is kept as it is. */
static bool add_inactive(struct reader *r)
{
	for (uint32_t i = 0; i < r->parser->nskipped; i++) {
		struct span at = r->parser->skipped[i];

		if (r->at >= at.beg && r->at < at.end) {
			while (r->at > at.beg && (r->p->text.s[r->at - 1] == ' ' || r->p->text.s[r->at - 1] == '\t'))
				r->at--;
			add_trimmed(r, P_SKIPPED, r->at, at.end);
			return true;
		}
	}
	return false;
}

static void add_between(struct reader *r)
{
	struct str t = rest(r);

	if (add_inactive(r))
		return;
	r->c = r->c && !definition_ended(r);
	if (str_starts(t, "//"))
		add_trimmed(r, P_LINE, r->at, find(r, r->at, "\n"));
	else if (str_starts(t, "/*"))
		add_block_comment(r);
	else if (r->at == 0 && str_starts(t, "#!"))
		add_trimmed(r, P_INTERPRETER, 0, find(r, 0, "\n"));
	else if (*t.s == '#')
		add_trimmed(r, P_DIRECTIVE, r->at, directive_end((struct str){ r->p->text.s, r->end }, r->at));
	else if (r->c)
		add_c(r);
	else if (begins_definition(t)) {
		r->c = true;
		r->is_typedef = str_starts(t, "typedef");
		add_c(r);
		r->p->list.v[r->p->list.n - 1].begins = true;
	} else {
		add_skipped(r);
	}
}

static void take(void *ctx, int kind, struct span at)
{
	struct reader *r = ctx;

	r->end = at.beg;
	r->c = false;
	r->depth = 0;
	while (r->at < r->end)
		if (isspace((unsigned char)r->p->text.s[r->at]))
			r->at++;
		else
			add_between(r);
	add(r, kind == VALUE_OPEN ? '{' : kind == OPERAND_END ? '}' : kind == VALUE_IF ? IF : kind, at.beg,
	    at.end, false);
	r->p->list.v[r->p->list.n - 1].value = kind == VALUE_OPEN || kind == OPERAND_END;
}

static bool is_comment(const struct piece *p)
{
	return p->kind == P_LINE || p->kind == P_BLOCK;
}

void pieces_read(struct pieces *p, struct parser *parser)
{
	struct reader r = { .p = p, .parser = parser };

	*p = (struct pieces){ .arena = parser->arena, .text = parser->source->text };
	parse_tokens(parser, take, &r);
	for (uint32_t i = p->list.n - 1; i-- > 0;) {
		const struct piece *next = &p->list.v[i + 1];

		p->list.v[i].token = is_comment(next) ? next->token : i + 1;
	}
	p->list.v[p->list.n - 1].token = p->list.n - 1;
}
