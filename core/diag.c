// SPDX-License-Identifier: Apache-2.0
/*
 * Diagnostics. Passes record them; the driver prints them in source order after each stage,
 * so a stage reports all its errors and none twice. Nothing here exits.
 *
 *	x.bt:7:14: error: 'start' is not a field of 'args'
 *	  7 |     @t = args.start;
 *	    |               ~~~~~
 *	  hint: did you mean 'state'?
 *
 * For editors the same as JSON, an object a line; columns count bytes, from 1, and the end is the first
 * byte behind:
 *
 *	{"file": "x.bt", "line": 7, "column": 14, "end_line": 7, "end_column": 19, "severity": "error",
 *	 "id": "field", "message": "...", "hint": "..."}
 */
#include "core/core.h"

#include <stdlib.h>
#include <string.h>

static uint32_t record(struct diag *d, struct span at, bool error, const char *id, const char *text)
{
	*vec_push(d->arena, &d->list) =
		(struct diagnostic){ .at = at, .error = error, .id = id, .text = text };
	d->nerror += error;
	return d->list.n - 1;
}

uint32_t diag_error(struct diag *d, struct span at, const char *id, const char *fmt, ...)
{
	va_list ap;
	uint32_t index;

	va_start(ap, fmt);
	index = record(d, at, true, id, arena_vprintf(d->arena, fmt, ap));
	va_end(ap);
	return index;
}

uint32_t diag_warn(struct diag *d, struct span at, const char *id, const char *fmt, ...)
{
	va_list ap;
	uint32_t index;

	va_start(ap, fmt);
	index = record(d, at, false, id, arena_vprintf(d->arena, fmt, ap));
	va_end(ap);
	return index;
}

void diag_hint(struct diag *d, uint32_t index, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	d->list.v[index].hint = arena_vprintf(d->arena, fmt, ap);
	va_end(ap);
}

static int by_position(const void *x, const void *y)
{
	const struct diagnostic *a = x, *b = y;

	if (a->at.beg != b->at.beg)
		return a->at.beg < b->at.beg ? -1 : 1;
	return strcmp(a->text, b->text);
}

static int by_begin(const void *x, const void *y)
{
	const struct span *a = x, *b = y;

	return (a->beg > b->beg) - (a->beg < b->beg);
}

/* Where the first n diagnostics are errors, in order; each end is the furthest so far. */
static uint32_t spans_of_errors(const struct diag *d, uint32_t n, struct span *spans)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < n; i++)
		if (d->list.v[i].error)
			spans[found++] = d->list.v[i].at;
	if (found)
		qsort(spans, found, sizeof *spans, by_begin);
	for (uint32_t i = 1; i < found; i++)
		spans[i].end = spans[i].end > spans[i - 1].end ? spans[i].end : spans[i - 1].end;
	return found;
}

/* Does it touch one of these? */
static bool touches(const struct span *cause, uint32_t n, struct span at)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (cause[mid].beg < at.beg)
			lo = mid + 1;
		else
			hi = mid;
	}
	return (lo < n && cause[lo].beg < at.end) || (lo && cause[lo - 1].end > at.beg);
}

void diag_drop_consequences(struct diag *d, uint32_t first)
{
	struct diagnostic *v = d->list.v;
	uint32_t kept = first, n;
	struct span *cause;

	if (!first || !d->nerror || first == d->list.n)
		return;
	cause = arena_alloc(d->arena, first * sizeof *cause);
	n = spans_of_errors(d, first, cause);
	for (uint32_t i = first; i < d->list.n; i++)
		if (!touches(cause, n, v[i].at))
			v[kept++] = v[i];
	d->list.n = kept;
}

uint32_t diag_errors_within(const struct diag *d, struct span at)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->list.n; i++)
		n += d->list.v[i].error && d->list.v[i].at.beg >= at.beg && d->list.v[i].at.end <= at.end;
	return n;
}

static bool is_utf8(struct str s)
{
	for (uint32_t i = 0; i < s.len;) {
		unsigned char c = (unsigned char)s.s[i++];
		int more = c < 0x80 ? 0 : c >= 0xf0 && c < 0xf8 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : -1;

		if (more < 0 || c >= 0xf8)
			return false;
		for (; more; more--)
			if (i >= s.len || (s.s[i++] & 0xc0) != 0x80)
				return false;
	}
	return true;
}

/* Long lines are cut around the span; bytes that would drive a terminal are shown as '?'. */
static void print_line(const struct source *src, struct span at, FILE *out)
{
	enum { WIDTH = 160, BEFORE = 60 };
	struct position pos = source_position(src, at.beg);
	struct str line = source_line(src, pos.line);
	uint32_t column = pos.column - 1, beg = column > WIDTH - BEFORE ? column - BEFORE : 0;
	uint32_t end = line.len - beg > WIDTH ? beg + WIDTH : line.len;
	bool readable = is_utf8(line);
	uint32_t last = column + (at.end > at.beg ? at.end - at.beg : 1);

	if (beg > line.len)
		return;
	fprintf(out, "%5u | ", pos.line);
	for (uint32_t i = beg; i < end; i++) {
		unsigned char c = (unsigned char)line.s[i];

		putc((c < 32 && c != '\t') || c == 127 || (c > 127 && !readable) ? '?' : c, out);
	}
	fputs("\n      | ", out);
	for (uint32_t i = beg; i < column; i++)
		putc(i < line.len && line.s[i] == '\t' ? '\t' : ' ', out);
	putc('^', out);
	for (uint32_t i = column + 1; i < last && i < end; i++)
		putc('~', out);
	putc('\n', out);
}

static void print_one(const struct diag *d, const struct diagnostic *e, FILE *out, bool whole)
{
	struct position pos = source_position(d->source, e->at.beg);

	fprintf(out, "%s:%u:%u: %s: %s\n", d->source->name, pos.line, pos.column,
		e->error ? "error" : "warning", e->text);
	if (!whole)
		return;
	print_line(d->source, e->at, out);
	if (e->hint)
		fprintf(out, "  hint: %s\n", e->hint);
}

/* A byte that is no UTF-8 becomes the character of its number. */
static void json_string(const char *text, FILE *out)
{
	bool readable = is_utf8(str_of(text));

	putc('"', out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 32 || c == 127 || (c > 127 && !readable))
			fprintf(out, "\\u%04x", c);
		else
			putc(c, out);
	}
	putc('"', out);
}

static void json_one(const struct diag *d, const struct diagnostic *e, FILE *out)
{
	struct position beg = source_position(d->source, e->at.beg);
	struct position end = source_position(d->source, e->at.end > e->at.beg ? e->at.end : e->at.beg + 1);

	fputs("{\"file\": ", out);
	json_string(d->source->name, out);
	fprintf(out, ", \"line\": %u, \"column\": %u, \"end_line\": %u, \"end_column\": %u, \"severity\": \"%s\", "
		"\"id\": \"%s\", \"message\": ", beg.line, beg.column, end.line, end.column,
		e->error ? "error" : "warning", e->id);
	json_string(e->text, out);
	if (e->hint) {
		fputs(", \"hint\": ", out);
		json_string(e->hint, out);
	}
	fputs("}\n", out);
}

void diag_print(struct diag *d, FILE *out)
{
	const struct diagnostic *last = NULL;
	uint32_t shown = 0, hidden = 0;

	if (d->list.n)
		qsort(d->list.v, d->list.n, sizeof *d->list.v, by_position);
	for (uint32_t i = 0; i < d->list.n; i++) {
		const struct diagnostic *e = &d->list.v[i];

		if (last && last->at.beg == e->at.beg && !strcmp(last->text, e->text))
			continue;
		last = e;
		if (!e->error && d->no_warnings)
			continue;
		if (d->json) {
			json_one(d, e, d->json);
			continue;
		}
		if (e->error && shown == DIAG_LINES)
			hidden++;
		else
			print_one(d, e, out, shown < DIAG_MAX);
		shown += e->error && shown < DIAG_LINES;
	}
	if (hidden)
		fprintf(out, "%s: %u more errors\n", d->source->name, hidden);
	d->list.n = 0;
}
