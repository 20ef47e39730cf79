// SPDX-License-Identifier: Apache-2.0
/*
 * String literals: \n \t \r \" \\, one to three octal digits, \x and one or two hexadecimal ones.
 */
#include "lexer/lexer.h"

#include <string.h>

static int hex_value(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 32 : c)
							 : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Decodes the escape at s[*i] (just behind the backslash) and moves past it; -1 if it is none. */
static int escape(struct str s, uint32_t *i)
{
	static const char from[] = "ntr\"\\", to[] = "\n\t\r\"\\";
	const char *simple;
	int value = 0, n = 0;

	if (*i >= s.len)
		return -1;
	simple = s.s[*i] ? strchr(from, s.s[*i]) : NULL;
	if (simple) {
		++*i;
		return (unsigned char)to[simple - from];
	}
	if (s.s[*i] == 'x') {
		for (++*i; n < 2 && *i < s.len && hex_value(s.s[*i]) >= 0; n++)
			value = value * 16 + hex_value(s.s[(*i)++]);
		return n ? value : -1;
	}
	for (; n < 3 && *i < s.len && s.s[*i] >= '0' && s.s[*i] <= '7'; n++)
		value = value * 8 + (s.s[(*i)++] - '0');
	return n && value <= 255 ? value : -1;
}

bool string_decode(struct arena *a, struct str raw, struct str *out, uint32_t *where,
		   const char **error)
{
	char *text = arena_alloc(a, (size_t)raw.len + 1);
	uint32_t n = 0;

	for (uint32_t i = 0; i < raw.len;) {
		int c = (unsigned char)raw.s[i];

		*where = i++;
		if (c == '\\' && (c = escape(raw, &i)) < 0) {
			*error = "not an escape sequence (\\n \\t \\r \\\" \\\\ \\ooo \\xhh)";
			return false;
		}
		if (!c) {
			*error = "a string can't hold a zero byte";
			return false;
		}
		text[n++] = (char)c;
	}
	*out = (struct str){ text, n };
	return true;
}
