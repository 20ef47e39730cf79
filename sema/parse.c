// SPDX-License-Identifier: Apache-2.0
/*
 * The first stage: hands the script's text to the parser.
 */
#include "sema/script.h"

#include <string.h>

void parse(struct script *s)
{
	struct parser p = { .arena = &s->work, .diag = &s->diag, .source = &s->source };
	struct str text = s->source.text;
	const char *zero = text.len ? memchr(text.s, 0, text.len) : NULL;
	uint32_t at = zero ? (uint32_t)(zero - text.s) : 0;

	/* One error, not one for each odd byte of a binary. */
	if (zero) {
		diag_error(&s->diag, (struct span){ at, at + 1 }, "zero-byte",
			   "a zero byte in the script: is this a binary file?");
		return;
	}
	parse_program(&p);
	s->program = p.probes;
	s->items = p.items.head;
	if (!s->program && !s->diag.nerror)
		diag_error(&s->diag, (struct span){ 0, 0 }, "empty", "the script has no probe");
}
