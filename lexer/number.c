// SPDX-License-Identifier: Apache-2.0
/*
 * Integer literals: decimal, octal, hexadecimal, MeN, digits apart by '_', C's suffixes (which change
 * nothing) and durations (which become nanoseconds). The lexer hands over every run of letters and
 * digits that starts with a digit, so that a wrong one is a good error, not two odd tokens.
 */
#include "lexer/lexer.h"

#include <string.h>
#include <strings.h>

static const struct {
	const char *suffix;
	uint64_t factor;
	bool any_case;
} suffixes[] = {
	{ "u", 1, true },    { "ul", 1, true },   { "ull", 1, true },
	{ "l", 1, true },    { "ll", 1, true },   { "ns", 1, false },
	{ "us", 1000, false }, { "ms", 1000000, false }, { "s", 1000000000, false },
	{ "m", 60000000000, false }, { "h", 3600000000000, false }, { "d", 86400000000000, false },
};

static bool suffix_factor(struct str s, uint64_t *factor)
{
	for (size_t i = 0; i < LEN(suffixes); i++) {
		const char *name = suffixes[i].suffix;

		if (strlen(name) == s.len && (suffixes[i].any_case ? !strncasecmp(name, s.s, s.len)
								   : str_is(s, name))) {
			*factor = suffixes[i].factor;
			return true;
		}
	}
	return false;
}

/* The digits without their '_'. False: one of them is first or last. */
static bool strip(struct str s, char *digits, uint32_t *n)
{
	*n = 0;
	for (uint32_t i = 0; i < s.len; i++) {
		if (s.s[i] != '_')
			digits[(*n)++] = s.s[i];
		else if (!i || i + 1 == s.len)
			return false;
	}
	return true;
}

static bool is_digit(char c, bool hex)
{
	return (c >= '0' && c <= '9') || c == '_' ||
	       (hex && ((c | 32) >= 'a' && (c | 32) <= 'f'));
}

static bool scale(uint64_t *v, struct str exponent)
{
	uint64_t n = 0;

	if (exponent.len > 1 && exponent.s[0] == '0')
		exponent.s++, exponent.len--;
	if (!str_to_u64(exponent, &n) || n > 63)
		return *v == 0;
	while (n--)
		if (__builtin_mul_overflow(*v, (uint64_t)10, v))
			return false;
	return true;
}

bool number_parse(struct str s, uint64_t *value, const char **error)
{
	bool hex = s.len > 1 && s.s[0] == '0' && (s.s[1] | 32) == 'x';
	uint32_t end = hex ? 2 : 0, n, exp_beg, exp_end;
	struct str exponent = { NULL, 0 }, suffix;
	uint64_t factor = 1;
	char digits[80];

	while (end < s.len && is_digit(s.s[end], hex))
		end++;
	exp_beg = exp_end = end;
	if (!hex && end + 1 < s.len && (s.s[end] | 32) == 'e' && is_digit(s.s[end + 1], false)) {
		exp_beg = ++exp_end;
		while (exp_end < s.len && is_digit(s.s[exp_end], false))
			exp_end++;
		exponent = (struct str){ s.s + exp_beg, exp_end - exp_beg };
	}
	suffix = (struct str){ s.s + exp_end, s.len - exp_end };
	*error = "not a number";
	if (end >= sizeof digits || !strip((struct str){ s.s, end }, digits, &n))
		return false;
	if (suffix.len && !suffix_factor(suffix, &factor)) {
		*error = "a number can't end in this";
		return false;
	}
	digits[n] = 0;
	if (n > 1 && digits[0] == '0' && !hex && strpbrk(digits, "89")) {
		*error = "an octal number (leading 0) has no digit 8 or 9";
		return false;
	}
	if (n == (hex ? 2u : 0u)) {
		*error = "a number without digits";
		return false;
	}
	*error = "number larger than 64 bits";
	return str_to_u64((struct str){ digits, n }, value) && (!exponent.len || scale(value, exponent)) &&
	       !__builtin_mul_overflow(*value, factor, value);
}
