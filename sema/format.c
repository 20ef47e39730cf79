// SPDX-License-Identifier: Apache-2.0
/*
 * printf formats, one conversion at a time: the checker counts and types arguments with it, the
 * generator lays the record out, and the runtime prints. So all three agree on what a format says.
 *
 *	%[-+ #0][width|*][.precision|.*][hh|h|l|ll|j|z|t](d|i|u|o|x|X|c|s|p|r|rx|rh|gr)    or %%
 *
 * It allocates nothing and remembers nothing but *pos. What it cannot parse it returns with
 * conv 0, up to and including the byte that it could not use, and the caller judges.
 */
#include "sema/types.h"

#include <string.h>

/* Wider is a mistake, and would let one record fill a disk. */
enum { WIDTH_MAX = 65535 };

struct scan {
	struct str fmt;
	uint32_t at;
};

static char peek(const struct scan *s)
{
	return s->at < s->fmt.len ? s->fmt.s[s->at] : 0;
}

static bool accept(struct scan *s, char c)
{
	if (!c || peek(s) != c)
		return false;
	s->at++;
	return true;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void scan_flags(struct scan *s, struct conversion *c)
{
	for (;; s->at++) {
		switch (peek(s)) {
		case '-':
			c->left = true;
			break;
		case '0':
			c->zero = true;
			break;
		case '+':
			c->plus = true;
			break;
		case ' ':
			c->blank = true;
			break;
		case '#':
			c->alt = true;
			break;
		default:
			return;
		}
	}
}

/* A number, -1 if there is none, -2 if it passes all reason. */
static int scan_number(struct scan *s)
{
	int n = -1;

	for (; is_digit(peek(s)); s->at++) {
		n = (n < 0 ? 0 : n) * 10 + (peek(s) - '0');
		if (n > WIDTH_MAX)
			return -2;
	}
	return n;
}

static void scan_widths(struct scan *s, struct conversion *c)
{
	c->star_width = accept(s, '*');
	if (!c->star_width)
		c->width = scan_number(s);
	if (!accept(s, '.'))
		return;
	c->star_precision = accept(s, '*');
	if (!c->star_precision) {
		c->precision = scan_number(s);
		/* "%.d" is "%.0d". */
		if (c->precision == -1)
			c->precision = 0;
	}
}

static uint8_t scan_length(struct scan *s)
{
	if (accept(s, 'h'))
		return accept(s, 'h') ? 1 : 2;
	if (accept(s, 'l')) {
		accept(s, 'l');
		return 8;
	}
	return accept(s, 'j') || accept(s, 'z') || accept(s, 't') ? 8 : 4;
}

static void scan_conversion(struct scan *s, struct conversion *c)
{
	char conv = peek(s);

	if (!conv)
		return;
	s->at++;
	if (conv == 'g' && accept(s, 'r')) {
		c->conv = 'r';
		c->variant = 'g';
		return;
	}
	if (c->width == -2 || c->precision == -2 || !strchr("diuoxXcspr%", conv))
		return;
	c->conv = conv;
	if (conv == 'r' && (peek(s) == 'x' || peek(s) == 'h')) {
		c->variant = peek(s);
		s->at++;
	}
}

bool format_next(struct str fmt, uint32_t *pos, struct conversion *c)
{
	const char *percent = *pos < fmt.len ? memchr(fmt.s + *pos, '%', fmt.len - *pos) : NULL;
	struct scan s = { fmt, 0 };

	if (!percent) {
		*pos = fmt.len;
		return false;
	}
	s.at = (uint32_t)(percent - fmt.s);
	*c = (struct conversion){ .beg = s.at++, .width = -1, .precision = -1 };
	scan_flags(&s, c);
	scan_widths(&s, c);
	c->length = scan_length(&s);
	scan_conversion(&s, c);
	c->end = *pos = s.at;
	return true;
}
