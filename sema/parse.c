// SPDX-License-Identifier: Apache-2.0
/*
 * The first stage: takes C's part out of the script's text and hands the rest to the parser.
 */
#include "parser/layout.h"
#include "sema/ctype.h"

#include <string.h>

/* The text is parsed as what a statement does nothing with. */
struct node *parse_expression(struct script *s, struct str text, struct span at)
{
	struct source source = { 0 };
	struct diag diag = { .arena = &s->work, .source = &source };
	struct parser p = { .arena = &s->work, .diag = &diag, .source = &source };
	struct node *n;

	source_init(&s->work, &source, "", str_of(arena_printf(&s->work, "BEGIN{_=(%.*s);}", STR_ARG(text))));
	p.text = source.text;
	parse_program(&p);
	if (diag.nerror || !p.probes || p.probes->next || !p.probes->probe.body)
		return NULL;
	n = p.probes->probe.body;
	if (n->kind != N_DISCARD || n->next)
		return NULL;
	ast_move(n->un.e, &at);
	return n->un.e;
}

/* The script's own text; what it imports is not looked at. */
static void parse_text(struct script *s, struct parser *p)
{
	struct str text = s->source.text;
	const char *zero = text.len ? memchr(text.s, 0, text.len) : NULL;
	uint32_t at = zero ? (uint32_t)(zero - text.s) : 0;

	*p = (struct parser){ .arena = &s->work, .diag = &s->diag, .source = &s->source };
	/* One error, not one for each odd byte of a binary. */
	if (zero) {
		diag_error(&s->diag, (struct span){ at, at + 1 }, "zero-byte",
			   "a zero byte in the script: is this a binary file?");
		return;
	}
	p->text = cpart_read(s);
	p->skipped = s->skipped.v;
	p->nskipped = s->skipped.n;
	parse_program(p);
}

/* Leaves out the probes that have errors in them. What stands outside of probes is hardly ever what was
 * meant then. */
static void leave_out_broken(struct script *s)
{
	enum { LOOKED_AT = 100 };
	struct node **link = &s->program;
	uint32_t within = 0;

	s->hopeless = s->diag.nerror > LOOKED_AT;
	while (*link && !s->hopeless) {
		uint32_t n = diag_errors_within(&s->diag, (*link)->at);

		within += n;
		if (n)
			*link = (*link)->next;
		else
			link = &(*link)->next;
	}
	s->incomplete = true;
	s->hopeless |= within < s->diag.nerror;
}

void parse(struct script *s)
{
	struct parser p;
	uint32_t errors;

	parse_text(s, &p);
	s->program = p.probes;
	s->items = p.items.head;
	if (s->diag.nerror)
		leave_out_broken(s);
	errors = s->diag.nerror;
	import(s);
	s->hopeless |= s->diag.nerror > errors; /* whatever was meant to come */
	if (!s->program && !s->diag.nerror)
		diag_error(&s->diag, (struct span){ 0, 0 }, "empty", "the script has no probe");
}

void print_formatted(struct script *s, FILE *out)
{
	struct parser p;

	parse_text(s, &p);
	if (!s->diag.nerror)
		layout_print(&p, out);
}
