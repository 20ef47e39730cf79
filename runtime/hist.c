// SPDX-License-Identifier: Apache-2.0
/*
 * Histograms as text, a row a bucket:
 *
 *	[512, 1K)             12 |@@@@@@@@@@@@@                                       |
 *
 * label in 16 columns, count in 8, a bar of 52. Both kinds of histogram come down to a label for
 * each bucket; everything else is common. Whether a row is shown depends on the count, what it
 * shows on the count divided by print()'s div, so dividing never hides where values are.
 */
#include "runtime/print.h"

enum { BAR = 52, LABEL = 80 };

struct rows {
	const struct map *map;
	const uint64_t *bucket;
	uint32_t n;
	uint64_t div, max;
};

/* The least value of bucket i. Its suffix is that of its power of two, not the largest that divides
 * it: cut into sub-buckets, 2816K is followed by 3072K. */
static void log2_number(char *to, size_t room, uint32_t i, uint32_t bits)
{
	static const char suffix[][2] = { "", "K", "M", "G", "T", "P", "E" };
	uint32_t shift = i > 1u << bits ? ((i - 1) >> bits) - 1 : 0;
	uint64_t n = hist_bound(i, bits) >> (shift / 10 * 10);

	snprintf(to, room, "%llu%s", (unsigned long long)n, suffix[shift / 10]);
}

static void log2_label(char *to, uint32_t i, uint32_t bits)
{
	char a[24], b[24];

	log2_number(a, sizeof a, i, bits);
	log2_number(b, sizeof b, i + 1, bits);
	if (hist_bound(i + 1, bits) - hist_bound(i, bits) == 1)
		snprintf(to, LABEL, "[%s]", a);
	else
		snprintf(to, LABEL, "[%s, %s)", a, b);
}

/* Linear bounds are shortened only where the step says that they are meant to be round. */
static void linear_number(char *to, size_t room, int64_t n, bool round)
{
	const int64_t k = 1024, m = 1024 * 1024;

	if (round && n && n % m == 0)
		snprintf(to, room, "%lldM", (long long)(n / m));
	else if (round && n && n % k == 0)
		snprintf(to, room, "%lldK", (long long)(n / k));
	else
		snprintf(to, room, "%lld", (long long)n);
}

static void linear_label(char *to, uint32_t i, uint32_t n, const struct hist_shape *h)
{
	uint64_t from = (uint64_t)h->min + (uint64_t)(i - 1) * (uint64_t)h->step;
	bool round = h->step % 1024 == 0;
	char a[32], b[32];

	linear_number(a, sizeof a, (int64_t)from, round);
	linear_number(b, sizeof b, (int64_t)(from + (uint64_t)h->step), round);
	if (i + 1 == n)
		snprintf(to, LABEL, "[%s, ...)", a);
	else if (h->step == 1)
		snprintf(to, LABEL, "[%s]", a);
	else
		snprintf(to, LABEL, "[%s, %s)", a, b);
}

static void label(char *to, const struct rows *r, uint32_t i)
{
	const struct map *map = r->map;
	char least[32] = "0";

	if (map->agg == AGG_LHIST)
		linear_number(least, sizeof least, map->hist.min, map->hist.step % 1024 == 0);
	if (!i)
		snprintf(to, LABEL, "(..., %s)", least);
	else if (map->agg == AGG_LHIST)
		linear_label(to, i, r->n, &map->hist);
	else
		log2_label(to, i, map->hist.bits);
}

static void row(struct buffer *b, const struct rows *r, uint32_t i)
{
	uint64_t count = r->bucket[i] / r->div;
	/* Single precision, as bpftrace has it: the bars must come out equally long. */
	int bar = r->max ? (int)((float)count / (float)r->max * BAR) : 0;
	char text[LABEL];

	label(text, r, i);
	buffer_printf(b, "%-16s%8llu |", text, (unsigned long long)count);
	buffer_fill(b, '@', (size_t)bar);
	buffer_fill(b, ' ', (size_t)(BAR - bar));
	buffer_bytes(b, "|\n", 2);
}

bool hist_range(const struct map *map, const uint64_t *bucket, uint32_t *first, uint32_t *last)
{
	uint32_t n = agg_words(map), i = 0;

	while (i < n && !bucket[i])
		i++;
	*first = i;
	for (; i < n; i++)
		*last = bucket[i] ? i : *last;
	return *first < n;
}

void hist_text(struct buffer *b, const struct map *map, const uint64_t *bucket, uint64_t div)
{
	struct rows r = { map, bucket, agg_words(map), div, 0 };
	uint32_t first, last = 0;

	if (!hist_range(map, bucket, &first, &last))
		return;
	for (uint32_t i = first; i <= last; i++)
		r.max = r.max > bucket[i] / div ? r.max : bucket[i] / div;
	for (uint32_t i = first; i <= last; i++)
		row(b, &r, i);
}
