// SPDX-License-Identifier: Apache-2.0
/*
 * Pieces -> text in canonical layout. Every token is printed as it was written; this decides what stands
 * before it: nothing, a blank or a new line.
 *
 * It knows no grammar. What it must tell apart follows from the token before and the brackets around: an
 * operator behind an operand is binary, else it belongs to what follows; a statement ends with ';' and
 * with a block; a brace opens a block. What it prints it would print again: what a decision needs is
 * found in the result, too.
 */
#include "parser/layout.h"

#include <ctype.h>
#include <string.h>

#include "parser/grammar.h"

enum space { NOTHING, BLANK, LINE };

/* A bracket that is still open. */
struct open {
	int kind, of;     /* of: the token before it */
	bool c, typed;    /* typed: the argument that is a type was there */
	bool cast;        /* (typeof(...)) */
	bool value;       /* a block that is an operand */
	bool enumeration;
	uint32_t indent;  /* of its line */
};

struct layout {
	FILE *out;
	struct pieces pieces;
	VEC(struct open) open;
	const struct piece *prev; /* the last token; NULL: there was none */
	const struct piece *last; /* the last piece, which may be a comment */
	const struct piece *slash; /* what opened the predicate, as long as it is open */
	int before;       /* the kind of the token before prev */
	int item;         /* the kind of token that began what stands outside of braces */
	uint32_t indent;  /* of this line */
	bool operand;     /* prev ends an operand */
	bool value;       /* ... which is a block */
	bool tight;       /* what follows belongs to prev: a unary operator, a cast */
	bool type;        /* in a type: '*' makes a pointer */
	bool enumeration; /* of struct, union and enum, the last was enum */
	bool own_line;    /* last is a comment on a line of its own */
	bool leads;       /* ... before what follows on that line */
};

/* ---- what a piece is -------------------------------------------------------------------- */

static struct str text_of(const struct layout *l, const struct piece *p)
{
	return (struct str){ l->pieces.text.s + p->at.beg, p->at.end - p->at.beg };
}

static const struct piece *behind(const struct layout *l, const struct piece *p)
{
	return &l->pieces.list.v[p->token];
}

static bool is_comment(const struct piece *p)
{
	return p->kind == P_LINE || p->kind == P_BLOCK;
}

static bool fills_line(const struct piece *p)
{
	return p->kind == P_DIRECTIVE || p->kind == P_SKIPPED || p->kind == P_INTERPRETER;
}

static bool is_field(const struct layout *l)
{
	return l->prev && (l->prev->kind == '.' || l->prev->kind == ARROW);
}

static const struct open *top(const struct layout *l)
{
	return l->open.n ? &l->open.v[l->open.n - 1] : NULL;
}

static bool in_block(const struct layout *l)
{
	return top(l) && top(l)->kind == '{';
}

static bool begins_item(const struct piece *p)
{
	return p->kind == ATTACH || p->kind == MACRO || p->kind == CONFIG || p->kind == LET || p->kind == IMPORT;
}

static bool closes(int kind)
{
	return kind == ')' || kind == ']' || kind == '}';
}

/* These stay on the line of what is before them, whatever the user did. */
static bool keeps_line(const struct piece *p)
{
	return p->kind == '{' || p->kind == ELSE || p->kind == ';' || p->kind == ',';
}

static bool takes_operand(int kind)
{
	static const int kinds[] = { ID, NUMBER, STRING, VAR, MAP, PARAM, NPARAMS, TRUE, FALSE, ')', ']' };

	for (size_t i = 0; i < LEN(kinds); i++)
		if (kind == kinds[i])
			return true;
	return false;
}

static bool may_be_unary(int kind)
{
	return kind == '-' || kind == '*' || kind == '&' || kind == '!' || kind == '~' || kind == INC ||
	       kind == DEC;
}

/* ---- what stands before it -------------------------------------------------------------- */

static bool line_behind_brace(const struct layout *l, const struct piece *cur)
{
	if (cur->c)
		return cur->begins;
	return !l->value && cur->kind != ELSE && cur->kind != ';' && cur->kind != ',' && cur->kind != ')' &&
	       cur->kind != ']' && cur->kind != ':' && cur->kind != ENDPRED;
}

static bool line_in_block(const struct layout *l, const struct piece *cur)
{
	if (l->prev->kind == '{' || cur->kind == '}')
		return true;
	if (l->prev->kind == ',')
		return top(l)->enumeration;
	if (l->item == CONFIG && cur->kind == ID && behind(l, cur)->kind == '=')
		return true;
	return l->prev->kind == ';' && cur->kind != ';';
}

static bool line_at_top(const struct layout *l, const struct piece *cur)
{
	switch (l->prev->kind) {
	case ',':
	case ENDPRED:
		return true;
	case ';':
	case IMPORT:
		return cur->kind != ';';
	case ')':
		if (l->item == LET)
			return cur->kind != ';';
		break;
	}
	if (cur->kind == '{')
		return l->item != CONFIG && !cur->c && !l->slash;
	return cur->begins || begins_item(cur) || (cur->kind == '/' && !l->slash);
}

static bool begins_line(const struct layout *l, const struct piece *cur)
{
	if (!l->prev || cur->kind == P_END || fills_line(l->prev) || fills_line(cur))
		return true;
	if (l->prev->kind == '}' && cur->kind != '}')
		return line_behind_brace(l, cur);
	if (in_block(l))
		return line_in_block(l, cur);
	return !top(l) && line_at_top(l, cur);
}

/* "- -1" is not "--1". */
static bool would_merge(const struct layout *l, const struct piece *cur)
{
	char first = l->pieces.text.s[cur->at.beg], last = l->pieces.text.s[l->prev->at.end - 1];

	return first == last && (first == '-' || first == '&');
}

static bool is_called(const struct layout *l, const struct piece *paren)
{
	switch (l->prev->kind) {
	case ID:
		return !paren->c || behind(l, paren)->kind != '*';
	case SIZEOF:
	case OFFSETOF:
	case CONTAINER:
	case TYPEOF:
		return true;
	}
	return paren->c && l->prev->kind == ')';
}

static bool touches_previous(const struct layout *l)
{
	int kind = l->prev->kind;

	return kind == '(' || kind == '[' || kind == '.' || kind == ARROW || kind == RANGE;
}

static bool touches(const struct layout *l, const struct piece *cur)
{
	switch (cur->kind) {
	case ',':
	case ';':
	case ')':
	case ']':
	case '[':
	case '.':
	case ARROW:
	case RANGE:
	case ENDPRED:
		return true;
	case '(':
		if (is_called(l, cur))
			return true;
		break;
	case PTYPE:
		if (l->prev->kind == SIZEOF)
			return true;
		break;
	case INC:
	case DEC:
		if (l->operand)
			return true;
		break;
	case ':':
		return l->prev->kind == '?' || (l->prev->kind == VAR && l->before == LET);
	case '*':
		if (l->type && l->prev->kind == '*')
			return true;
		break;
	}
	if (l->prev == l->slash)
		return cur->kind != '*'; /* that would be a comment */
	return touches_previous(l) || (l->tight && !would_merge(l, cur));
}

static enum space space_between(const struct layout *l, const struct piece *cur)
{
	return begins_line(l, cur) ? LINE : touches(l, cur) ? NOTHING : BLANK;
}

/* ---- lines ------------------------------------------------------------------------------ */

/* Of a statement; of a closing bracket, that of the line of its opening one. */
static uint32_t block_indent(const struct layout *l, const struct piece *cur)
{
	if (fills_line(cur) || !top(l))
		return 0;
	return top(l)->indent + !closes(cur->kind);
}

/* Of a statement's lines behind the first. */
static uint32_t further_indent(const struct layout *l, const struct piece *cur)
{
	if (top(l) && !in_block(l))
		return block_indent(l, cur);
	return block_indent(l, cur) + 1;
}

/* The user's blank lines stay, but for those within a probe's head and at a block's ends; there is always
 * one between probes, and before a comment that belongs to one. */
static bool wants_blank(const struct layout *l, const struct piece *cur)
{
	const struct piece *next = is_comment(cur) ? behind(l, cur) : cur;
	bool in_head = l->last == l->prev && l->prev && !l->prev->c && !top(l) &&
		       (l->prev->kind == ',' || l->prev->kind == ENDPRED);

	if (cur->kind == '}' || cur->kind == '{' || cur->kind == '/' || in_head ||
	    (l->last && l->last->kind == '{'))
		return false;
	if (cur->breaks == 2)
		return true;
	if (top(l) || l->own_line || !l->prev || l->prev->kind == P_INTERPRETER || next->kind == P_END)
		return false;
	if (l->prev->kind == '}' && !l->prev->c)
		return true;
	return (next->kind == ATTACH || next->kind == MACRO || next->kind == CONFIG) && l->prev->kind != ',';
}

static void new_line(struct layout *l, uint32_t indent, bool blank)
{
	if (l->last)
		fputs(blank ? "\n\n" : "\n", l->out);
	l->indent = indent;
	for (uint32_t i = 0; i < indent; i++)
		putc('\t', l->out);
}

static void statement_line(struct layout *l, const struct piece *cur)
{
	new_line(l, block_indent(l, cur), wants_blank(l, cur));
}

static void put_blank(struct layout *l)
{
	putc(' ', l->out);
}

/* ---- texts ------------------------------------------------------------------------------ */

static bool in_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* A token of several words: a cast's type, an import. Blanks stand between words, and before '*' and '"'. */
static void put_words(const struct layout *l, struct str t)
{
	char last = 0;
	bool blank = false;

	for (uint32_t i = 0; i < t.len; i++) {
		char c = t.s[i];

		if (isspace((unsigned char)c)) {
			blank = true;
			continue;
		}
		if ((blank && in_word(last) && in_word(c)) || (c == '*' && (in_word(last) || last == ']')) ||
		    (c == '"' && in_word(last)))
			putc(' ', l->out);
		if (c == '"') {
			fprintf(l->out, "%.*s", (int)(t.len - i), t.s + i);
			return;
		}
		putc(c, l->out);
		last = c;
		blank = false;
	}
}

/* Lines that begin with '*' are set below the first one's '*'; others stay. */
static void put_comment(const struct layout *l, struct str t)
{
	while (t.len) {
		const char *end = memchr(t.s, '\n', t.len);
		uint32_t n = end ? (uint32_t)(end - t.s) : t.len, shown = n, star = 0;

		while (shown && isspace((unsigned char)t.s[shown - 1]))
			shown--;
		fprintf(l->out, "%.*s", (int)shown, t.s);
		if (!end)
			return;
		putc('\n', l->out);
		t = (struct str){ end + 1, t.len - n - 1 };
		while (star < t.len && (t.s[star] == ' ' || t.s[star] == '\t'))
			star++;
		if (star == t.len || t.s[star] != '*')
			continue;
		for (uint32_t i = 0; i < l->indent; i++)
			putc('\t', l->out);
		putc(' ', l->out);
		t = (struct str){ t.s + star, t.len - star };
	}
}

static void put(const struct layout *l, const struct piece *p)
{
	struct str t = text_of(l, p);

	if (p->kind == PTYPE || p->kind == IMPORT)
		put_words(l, t);
	else if (is_comment(p))
		put_comment(l, t);
	else
		fwrite(t.s, 1, t.len, l->out);
}

/* ---- what a token changes --------------------------------------------------------------- */

/* What stands in a block is set below its statement's first line; within parentheses, below its brace's. */
static void open_bracket(struct layout *l, const struct piece *cur)
{
	bool of_statement = cur->kind == '{' && (!top(l) || in_block(l));
	uint32_t indent = of_statement ? block_indent(l, cur) : l->indent;

	*vec_push(l->pieces.arena, &l->open) = (struct open){
		.kind = cur->kind,
		.of = l->prev ? l->prev->kind : 0,
		.c = cur->c,
		.cast = cur->kind == '(' && behind(l, cur)->kind == TYPEOF,
		.value = cur->value,
		.enumeration = cur->c && cur->kind == '{' && l->enumeration,
		.indent = indent,
	};
}

/* True: what follows is what is cast. */
static bool close_bracket(struct layout *l)
{
	struct open closed = l->open.n ? l->open.v[--l->open.n] : (struct open){ 0 };

	l->type = closed.of == TYPEOF;
	l->value = closed.value;
	return closed.cast;
}

static void follow_words(struct layout *l, const struct piece *cur)
{
	struct str t = text_of(l, cur);

	if (str_is(t, "enum"))
		l->enumeration = true;
	else if (str_is(t, "struct") || str_is(t, "union"))
		l->enumeration = false;
}

/* Types that are no casts: let $x: TYPE, offsetof(TYPE, ...), container_of(..., TYPE, ...). */
static void follow_type(struct layout *l, const struct piece *cur)
{
	struct open *o = l->open.n ? &l->open.v[l->open.n - 1] : NULL;

	if (cur->kind == ':' && l->prev && l->prev->kind == VAR && l->before == LET)
		l->type = true;
	else if (cur->kind == '(' && o && o->of == OFFSETOF)
		l->type = true;
	else if (cur->kind == ',' && o && o->of == CONTAINER && !o->typed)
		l->type = o->typed = true;
	else if (cur->kind == ',' || cur->kind == '=' || cur->kind == ';' || cur->kind == '{')
		l->type = false;
}

static bool is_pointer_star(const struct layout *l, const struct piece *cur)
{
	if (cur->kind != '*')
		return false;
	return cur->c ? !top(l) || (top(l)->kind != '[' && !top(l)->enumeration) : l->type;
}

static void follow_operand(struct layout *l, const struct piece *cur, bool cast)
{
	bool sized = l->prev && l->prev->kind == SIZEOF && cur->kind == PTYPE;
	bool unary = may_be_unary(cur->kind) && !l->operand;
	bool step = cur->kind == INC || cur->kind == DEC;

	if (is_field(l)) {
		l->tight = false;
		l->operand = true;
	} else if (is_pointer_star(l, cur)) {
		l->tight = cur->c;
		l->operand = false;
	} else {
		l->tight = unary || cast || (cur->kind == PTYPE && !sized);
		l->operand = !cast && (takes_operand(cur->kind) || sized || l->value || (step && l->operand));
	}
}

static void follow(struct layout *l, const struct piece *cur)
{
	bool cast = false, field = is_field(l);

	if (!top(l) && begins_item(cur))
		l->item = cur->kind;
	if (cur->c && cur->kind == ID)
		follow_words(l, cur);
	if (cur->kind == ENDPRED)
		l->slash = NULL;
	else if (cur->kind == '/' && !top(l) && !l->slash)
		l->slash = cur;
	if (cur->kind == '(' || cur->kind == '[' || cur->kind == '{')
		open_bracket(l, cur);
	else if (closes(cur->kind))
		cast = close_bracket(l);
	l->value = cur->kind == '}' && (l->value || cur->value);
	follow_type(l, cur);
	follow_operand(l, cur, cast);
	l->before = field ? 0 : l->prev ? l->prev->kind : 0;
	l->prev = l->last = cur;
	l->own_line = l->leads = false;
}

/* ---- pieces ----------------------------------------------------------------------------- */

/* A comment between two statements on one line belongs to the second. */
static bool comment_leads(const struct layout *l, const struct piece *c)
{
	const struct piece *next = c + 1;

	return c->kind == P_BLOCK && l->last == l->prev && !is_comment(next) && !fills_line(next) &&
	       !next->breaks && next->kind != '{' && next->kind != '}' && next->kind != P_END;
}

static void put_comment_piece(struct layout *l, const struct piece *c)
{
	bool statement = begins_line(l, behind(l, c)) || (l->prev && l->prev->kind == '}');
	bool touching = c->kind == P_BLOCK && l->prev && l->last == l->prev && touches_previous(l);

	if (!l->last || c->breaks || (statement && comment_leads(l, c))) {
		if (statement)
			statement_line(l, c);
		else
			new_line(l, further_indent(l, c), false);
		l->own_line = true;
		l->leads = statement;
	} else if (!touching) {
		put_blank(l);
	}
	l->leads &= c->kind == P_BLOCK;
	put(l, c);
	l->last = c;
}

/* Did the user break the line here, and where that may be? */
static bool broken(const struct layout *l, const struct piece *cur, enum space space)
{
	if (!cur->breaks || keeps_line(cur) || (l->prev->kind == ELSE && !l->operand))
		return false;
	if (space == BLANK)
		return true;
	return l->prev->kind == '(' || l->prev->kind == '[' || cur->kind == ')' || cur->kind == ']';
}

static void place_behind_comment(struct layout *l, const struct piece *cur, enum space space)
{
	bool stays = l->leads && !cur->breaks && cur->kind != '{' && cur->kind != '}' && !fills_line(cur);

	if (space == LINE && stays)
		put_blank(l);
	else if (space == LINE || (l->last->kind == P_LINE && (cur->kind == '{' || cur->kind == ELSE)))
		statement_line(l, cur);
	else if (l->last->kind == P_LINE || (cur->breaks && !keeps_line(cur)))
		new_line(l, further_indent(l, cur), false);
	else if (space == BLANK || !(closes(cur->kind) || cur->kind == ';' || cur->kind == ','))
		put_blank(l);
}

static void place(struct layout *l, const struct piece *cur)
{
	enum space space = space_between(l, cur);

	if (l->last != l->prev)
		place_behind_comment(l, cur, space);
	else if (space == LINE)
		statement_line(l, cur);
	else if (broken(l, cur, space))
		new_line(l, further_indent(l, cur), false);
	else if (space == BLANK)
		put_blank(l);
}

static void put_token(struct layout *l, const struct piece *cur)
{
	while (!cur->c && top(l) && top(l)->c && !fills_line(cur))
		l->open.n--;
	place(l, cur);
	put(l, cur);
	follow(l, cur);
}

void layout_print(struct parser *parser, FILE *out)
{
	struct layout l = { .out = out };

	pieces_read(&l.pieces, parser);
	for (const struct piece *p = l.pieces.list.v; p->kind != P_END; p++)
		if (is_comment(p))
			put_comment_piece(&l, p);
		else
			put_token(&l, p);
	if (l.last)
		putc('\n', out);
}
