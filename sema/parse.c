// SPDX-License-Identifier: Apache-2.0
/*
 * The first stage: hands the script's text to the parser.
 */
#include "sema/script.h"

#include <string.h>

void parse(struct script *s)
{
	struct parser p = { .arena = &s->work, .diag = &s->diag, .source = &s->source };

	parse_program(&p);
	s->program = p.probes;
	if (!s->program && !s->diag.nerror)
		diag_error(&s->diag, (struct span){ 0, 0 }, "empty", "the script has no probe");
}
