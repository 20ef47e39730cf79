// SPDX-License-Identifier: Apache-2.0
/*
 * Slices of text: comparison, copies, "did you mean" and integers.
 */
#include "core/core.h"

#include <ctype.h>
#include <string.h>

struct str str_of(const char *cstr)
{
	return (struct str){ cstr, cstr ? (uint32_t)strlen(cstr) : 0 };
}

bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (!a.len || !memcmp(a.s, b.s, a.len));
}

bool str_is(struct str a, const char *cstr)
{
	return str_eq(a, str_of(cstr));
}

bool str_starts(struct str a, const char *prefix)
{
	struct str p = str_of(prefix);

	return a.len >= p.len && !memcmp(a.s, p.s, p.len);
}

struct str str_trim(struct str t)
{
	while (t.len && isspace((unsigned char)*t.s))
		t.s++, t.len--;
	while (t.len && isspace((unsigned char)t.s[t.len - 1]))
		t.len--;
	return t;
}

int str_cmp(struct str a, struct str b)
{
	uint32_t n = a.len < b.len ? a.len : b.len;
	int order = n ? memcmp(a.s, b.s, n) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

char *str_dup(struct arena *a, struct str s)
{
	char *copy = arena_alloc(a, (size_t)s.len + 1);

	if (s.len)
		memcpy(copy, s.s, s.len);
	return copy;
}

/* FNV-1a, 64 bit. */
uint64_t str_hash(struct str s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (uint32_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.s[i]) * 0x100000001b3u;
	return h;
}

enum { NAME_MAX_COMPARED = 63 };

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

/* Optimal string alignment, three rows at a time; anything above the limit if it must be above. */
static unsigned distance_up_to(struct str a, struct str b, unsigned limit)
{
	unsigned row[3][NAME_MAX_COMPARED + 1];
	unsigned *before = row[0], *above = row[1], *here = row[2];

	for (unsigned j = 0; j <= b.len; j++)
		above[j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned *spare = before, least = i;

		here[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned differs = a.s[i - 1] != b.s[j - 1];

			here[j] = min3(above[j] + 1, here[j - 1] + 1, above[j - 1] + differs);
			if (i > 1 && j > 1 && a.s[i - 1] == b.s[j - 2] && a.s[i - 2] == b.s[j - 1] &&
			    before[j - 2] + 1 < here[j])
				here[j] = before[j - 2] + 1;
			least = here[j] < least ? here[j] : least;
		}
		/* A swap looks back two rows: it may save one step. */
		if (least > limit + 1)
			return least;
		before = above;
		above = here;
		here = spare;
	}
	return above[b.len];
}

/* Is the distance surely greater? So it is for all but a few of many candidates: a character of the longer
 * one that the other has not, wherever it stands, costs a step. Some characters count as the same. */
static bool far_apart(struct str a, struct str b, unsigned limit)
{
	unsigned longer = a.len > b.len ? a.len : b.len, shared = 0;
	uint8_t left[32] = { 0 };

	if (longer > NAME_MAX_COMPARED || 2 * longer - a.len - b.len > limit)
		return true;
	for (uint32_t i = 0; i < a.len; i++)
		left[a.s[i] & 31]++;
	for (uint32_t i = 0; i < b.len; i++) {
		uint8_t *n = &left[b.s[i] & 31];

		shared += *n > 0;
		*n -= *n > 0;
	}
	return longer - shared > limit;
}

void str_near(struct near *n, struct str candidate)
{
	/* A third of the name may be mistyped, one letter in any case. */
	unsigned limit = n->wanted.len / 3 ? n->wanted.len / 3 : 1, d;

	/* After the first one, only what is nearer. */
	if (n->best.len && !n->distance)
		return;
	if (n->best.len && n->distance <= limit)
		limit = n->distance - 1;
	if (far_apart(n->wanted, candidate, limit))
		return;
	d = distance_up_to(n->wanted, candidate, limit);
	if (d <= limit) {
		n->best = candidate;
		n->distance = d;
	}
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

bool str_to_u64(struct str s, uint64_t *out)
{
	uint32_t i = 0;
	int base = 10;
	uint64_t v = 0;

	if (s.len > 2 && s.s[0] == '0' && (s.s[1] | 32) == 'x') {
		base = 16;
		i = 2;
	} else if (s.len > 1 && s.s[0] == '0') {
		base = 8;
		i = 1;
	}
	if (i == s.len)
		return false;
	for (; i < s.len; i++) {
		int d = digit_value(s.s[i]);

		if (d >= base || __builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			return false;
	}
	*out = v;
	return true;
}
