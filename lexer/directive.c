// SPDX-License-Identifier: Apache-2.0
/*
 * How far a line of the preprocessor's goes.
 */
#include "lexer/lexer.h"

#include <string.h>

uint32_t directive_end(struct str text, uint32_t at)
{
	for (; at < text.len && text.s[at] != '\n'; at++) {
		struct str rest = { text.s + at, text.len - at };
		const char *end = str_starts(rest, "/*") ? memmem(rest.s + 2, rest.len - 2, "*/", 2) : NULL;

		if (end)
			at = (uint32_t)(end + 1 - text.s);
		else if (str_starts(rest, "\\\n"))
			at++;
	}
	return at;
}
