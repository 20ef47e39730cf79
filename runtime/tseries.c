// SPDX-License-Identifier: Apache-2.0
/*
 * Time series as text, a row an interval:
 *
 *	             -1                                                  2
 *	hh:mm:ss.ms  |___________________________________________________|
 *	22:38:12.400 *                .                                  | -1
 *
 * The intervals that count are the last ones up to the latest of any element, so that all elements of
 * a map show the same time. A row's point goes by trunc, the dots that mark zero by rounding, as
 * bpftrace has them; like it, a lone row shows its time to the nanosecond.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/print.h"

enum { AXIS = 53, MARGIN = 24 };
static const uint64_t second = 1000000000;

struct series {
	struct session *s;
	const struct map *map;
	const uint64_t *words;
	uint64_t first, last; /* epochs: intervals since the clock began */
	int64_t least, greatest;
	bool any;
};

static const uint64_t *bucket_of(const struct series *t, uint64_t epoch)
{
	const uint64_t *bucket = t->words + epoch % t->map->series.n * TSERIES_WORDS;

	return bucket[TSERIES_WEIGHT] && bucket[TSERIES_EPOCH] == epoch ? bucket : NULL;
}

static uint64_t value_of(const struct map *map, const uint64_t *bucket)
{
	uint64_t v = bucket[TSERIES_VALUE];

	return map->series.how == TSERIES_AVG ? agg_divide(v, bucket[TSERIES_WEIGHT], map->val->sign) : v;
}

static uint64_t latest_epoch(const struct snapshot *snap)
{
	uint64_t latest = 0;

	for (uint32_t i = 0; i < snap->n; i++) {
		const uint64_t *words = snapshot_value(snap, i);

		for (uint32_t k = 0; k < snap->map->series.n; k++, words += TSERIES_WORDS)
			if (words[TSERIES_WEIGHT] && words[TSERIES_EPOCH] > latest)
				latest = words[TSERIES_EPOCH];
	}
	return latest;
}

static struct series series_of(struct session *s, const struct snapshot *snap, uint32_t i)
{
	struct series t = { .s = s, .map = snap->map, .words = snapshot_value(snap, i) };
	uint64_t n = t.map->series.n;

	t.first = t.last = latest_epoch(snap);
	for (uint64_t epoch = t.last < n ? 0 : t.last - n + 1; epoch <= t.last; epoch++) {
		const uint64_t *bucket = bucket_of(&t, epoch);
		int64_t v = bucket ? (int64_t)value_of(t.map, bucket) : 0;

		if (!bucket)
			continue;
		t.first = t.any ? t.first : epoch;
		t.least = !t.any || v < t.least ? v : t.least;
		t.greatest = !t.any || v > t.greatest ? v : t.greatest;
		t.any = true;
	}
	return t;
}

/* ---- time ------------------------------------------------------------------------------- */

/* Epochs are counted in international atomic time, which has no leap seconds. */
static uint64_t wall_time(const struct series *t, uint64_t epoch)
{
	return epoch * t->map->series.interval - (uint64_t)t->s->tai_offset;
}

/* How many digits of a second, and what the column is called. */
static int digits_of(const struct series *t, const char **unit)
{
	uint64_t step = t->first == t->last ? 0 : t->map->series.interval;

	*unit = step >= second ? "hh:mm:ss" : step >= 1000000 ? "hh:mm:ss.ms" : step >= 1000 ? "hh:mm:ss.\u03bcs"
										   : "hh:mm:ss.ns";
	return step >= second ? 0 : step >= 1000000 ? 3 : step >= 1000 ? 6 : 9;
}

static void clock_text(struct buffer *b, const char *format, uint64_t ns, int digits, bool utc)
{
	time_t seconds = (time_t)(ns / second);
	uint64_t part = ns % second;
	char text[64];
	struct tm tm;

	for (int i = digits; i < 9; i++)
		part /= 10;
	if (!(utc ? gmtime_r(&seconds, &tm) : localtime_r(&seconds, &tm)))
		return;
	strftime(text, sizeof text, format, &tm);
	buffer_printf(b, "%s", text);
	if (digits)
		buffer_printf(b, ".%0*llu", digits, (unsigned long long)part);
}

/* ---- text ------------------------------------------------------------------------------- */

static void ends_text(struct buffer *b, const struct series *t, int margin)
{
	char least[MARGIN] = "null", greatest[MARGIN] = "null";
	int64_t around = t->least == t->greatest; /* a single value is shown in the middle */

	if (t->any && t->map->val->sign) {
		snprintf(least, sizeof least, "%lld", (long long)(t->least - around));
		snprintf(greatest, sizeof greatest, "%lld", (long long)(t->greatest + around));
	} else if (t->any) {
		snprintf(least, sizeof least, "%llu", (unsigned long long)(t->least - around));
		snprintf(greatest, sizeof greatest, "%llu", (unsigned long long)(t->greatest + around));
	}
	buffer_printf(b, "%*s%s%*s\n", margin, "", least, AXIS - (int)strlen(least), greatest);
}

/* Where a value stands between the ends, from 0 to 1. */
static double place_of(const struct series *t, int64_t v)
{
	double least = (double)t->least, range = (double)t->greatest - least;

	return range > 0 ? ((double)v - least) / range : 0.5;
}

static void row_text(struct buffer *b, const struct series *t, uint64_t epoch, int digits)
{
	const uint64_t *bucket = bucket_of(t, epoch);
	uint64_t v = bucket ? value_of(t->map, bucket) : 0;
	char axis[AXIS + 1];

	memset(axis, ' ', AXIS);
	axis[AXIS] = '\0';
	axis[0] = axis[AXIS - 1] = '|';
	if (t->any && t->least < 0 && t->greatest > 0)
		axis[(int)(place_of(t, 0) * (AXIS - 1) + 0.5)] = '.';
	if (bucket)
		axis[(int)(place_of(t, (int64_t)v) * (AXIS - 1))] = '*';
	clock_text(b, "%H:%M:%S", wall_time(t, epoch), digits, false);
	buffer_printf(b, " %s ", axis);
	if (bucket)
		integer_text(b, v, t->map->val->sign);
	else
		buffer_char(b, '-');
	buffer_char(b, '\n');
}

void tseries_text(struct session *s, struct buffer *b, const struct snapshot *snap, uint32_t i)
{
	struct series t = series_of(s, snap, i);
	const char *unit;
	int digits = digits_of(&t, &unit), margin = 9 + digits + !!digits;

	if (!t.last) {
		buffer_printf(b, "<no data>");
		return;
	}
	ends_text(b, &t, margin);
	buffer_printf(b, "%-*s|%.*s|\n", margin, unit, AXIS - 2,
		      "_____________________________________________________");
	for (uint64_t epoch = t.first; epoch <= t.last; epoch++)
		row_text(b, &t, epoch, digits);
	buffer_printf(b, "%*sv%.*sv\n", margin, "", AXIS - 2,
		      "_____________________________________________________");
	ends_text(b, &t, margin);
}

/* ---- JSON ------------------------------------------------------------------------------- */

void tseries_json(struct session *s, struct buffer *b, const struct snapshot *snap, uint32_t i)
{
	struct series t = series_of(s, snap, i);
	bool more = false;

	buffer_char(b, '[');
	for (uint64_t epoch = t.first; t.any && epoch <= t.last; epoch++) {
		const uint64_t *bucket = bucket_of(&t, epoch);

		if (!bucket)
			continue;
		buffer_printf(b, "%s{\"interval_start\":\"", more ? "," : "");
		clock_text(b, "%Y-%m-%d %H:%M:%S", wall_time(&t, epoch), 9, true);
		buffer_printf(b, "\",\"value\":");
		json_integer(b, value_of(t.map, bucket), t.map->val->sign);
		buffer_char(b, '}');
		more = true;
	}
	buffer_char(b, ']');
}
