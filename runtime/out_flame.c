// SPDX-License-Identifier: Apache-2.0
/*
 * A flame graph: one SVG file of all maps that are keyed by stacks. A frame is as wide as the sum of
 * the stacks that it is part of; frames of one parent stand in the order of their names.
 *
 * The file needs nothing else: a reader without JavaScript sees the whole graph, with labels where they
 * fit and numbers as tooltips; with it, flame.js lets a click zoom and a box search.
 *
 * What the script prints while it runs is collected as folded stacks (fold.c). A map that is printed
 * again replaces what it was, unless it has been cleared in between: then both count.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/print.h"

enum { WIDTH = 1200, MARGIN = 10, ROW = 17, TOP = 58, BOTTOM = 14, DEPTH_MAX = 512 };
static const double char_width = 6.7; /* of 11 px monospace */

static const char script[] =
#include "runtime/flame.js.h"
;

struct flame {
	VEC(struct folded) entries;
};

/* ---- collecting ------------------------------------------------------------------------- */

static struct flame *flame_of(struct session *s)
{
	if (!s->flame)
		s->flame = arena_alloc(&s->arena, sizeof *s->flame);
	return s->flame;
}

static void forget(struct flame *f, const struct map *map)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->entries.n; i++)
		if (f->entries.v[i].map != map)
			f->entries.v[n++] = f->entries.v[i];
	f->entries.n = n;
}

static void flame_map(struct session *s, const struct snapshot *snap)
{
	struct flame *f = flame_of(s);

	if (!fold_applies(snap->map)) {
		fold_refuse(s, snap->map);
		return;
	}
	forget(f, snap->map);
	for (uint32_t i = snap->first; i < snap->n; i++) {
		struct folded e = fold_element(s, snap, i);

		if (e.weight)
			*vec_push(&s->arena, &f->entries) = e;
	}
}

static void flame_cleared(struct session *s, const struct map *map)
{
	struct flame *f = flame_of(s);

	for (uint32_t i = 0; i < f->entries.n; i++)
		if (f->entries.v[i].map == map)
			f->entries.v[i].map = NULL;
}

/* ---- text ------------------------------------------------------------------------------- */

/* What XML can hold: no control characters, no halves of characters. */
static void escape(struct buffer *b, const char *text, size_t n)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + n;

	while (at < end) {
		uint32_t length = utf8_length(at, (uint32_t)(end - at));
		bool nothing = length == 3 && at[0] == 0xef && at[1] == 0xbf && at[2] >= 0xbe;

		if (!length || *at < ' ' || *at == 0x7f || nothing)
			buffer_char(b, '?');
		else if (*at == '&' || *at == '<' || *at == '>' || *at == '"')
			buffer_printf(b, "&#%d;", *at);
		else
			buffer_bytes(b, at, length);
		at += length ? length : 1;
	}
}

/* The first `room` characters of a name, or, with two dots, what fits. */
static void label(struct buffer *b, struct str name, uint32_t room)
{
	uint32_t bytes = 0, characters = 0;

	while (bytes < name.len && characters < room) {
		uint32_t n = utf8_length((const unsigned char *)name.s + bytes, name.len - bytes);

		bytes += n ? n : 1;
		characters++;
	}
	if (bytes == name.len) {
		escape(b, name.s, name.len);
		return;
	}
	for (characters = bytes = 0; characters + 2 < room; characters++) {
		uint32_t n = utf8_length((const unsigned char *)name.s + bytes, name.len - bytes);

		bytes += n ? n : 1;
	}
	escape(b, name.s, bytes);
	buffer_bytes(b, "..", 2);
}

/* The same function has the same colour in all graphs: the kernel's are blue, the others warm. */
static void colour(struct buffer *b, struct str name, bool kernel)
{
	uint32_t hash = 2166136261;

	for (uint32_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.s[i]) * 16777619;
	buffer_printf(b, "hsl(%u,%u%%,%u%%)", kernel ? 195 + hash % 40 : hash % 50, kernel ? 50u : 80u,
		      60 + hash / 64 % 15);
}

/* ---- drawing ---------------------------------------------------------------------------- */

struct drawing {
	struct session *s;
	struct flame *flame;
	uint64_t total;
	uint32_t rows;
};

/* One frame: the entries from `first` to before `last` have it. */
static void frame(struct drawing *d, struct str name, uint32_t depth, uint64_t before, uint64_t weight)
{
	bool kernel = name.len > 4 && !memcmp(name.s + name.len - 4, "_[k]", 4);
	double scale = (double)(WIDTH - 2 * MARGIN) / (double)d->total;
	double x = MARGIN + (double)before * scale, width = (double)weight * scale;
	int y = TOP + (int)(d->rows - 1 - depth) * ROW;
	struct buffer *b = &d->s->text;

	name.len -= kernel ? 4 : 0;
	b->n = 0;
	buffer_printf(b, "<g class=\"f\" data-b=\"%llu\" data-n=\"%llu\"><title>", (unsigned long long)before,
		      (unsigned long long)weight);
	escape(b, name.s, name.len);
	buffer_printf(b, "%s (%llu, %.2f%%)</title><rect x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\" fill=\"",
		      kernel ? " [kernel]" : "", (unsigned long long)weight,
		      100.0 * (double)weight / (double)d->total, x, y, width, ROW - 1);
	if (depth)
		colour(b, name, kernel);
	else
		buffer_printf(b, "#ccc");
	buffer_printf(b, "\"/><text x=\"%.2f\" y=\"%d\">", x + 3, y + 12);
	if (width > 3 * char_width)
		label(b, name, (uint32_t)((width - 6) / char_width));
	buffer_printf(b, "</text></g>\n");
	fwrite(b->v, 1, b->n, d->s->out);
}

/* The part of a line that begins at `at`. */
static struct str part(const struct folded *e, uint32_t at)
{
	const char *end = memchr(e->line + at, ';', e->length - at);

	return (struct str){ e->line + at, end ? (uint32_t)(end - (e->line + at)) : e->length - at };
}

static uint64_t weigh(const struct drawing *d, uint32_t first, uint32_t last)
{
	uint64_t sum = 0;

	for (uint32_t i = first; i < last; i++)
		sum += d->flame->entries.v[i].weight;
	return sum;
}

/* The frames of entries that agree up to `at`, each with what stands on it. Those that end here come
 * first: nothing stands on them. */
static void draw(struct drawing *d, uint32_t first, uint32_t last, uint32_t at, uint32_t depth,
		 uint64_t before)
{
	const struct folded *e = d->flame->entries.v;

	for (; first < last && e[first].length < at; first++)
		before += e[first].weight;
	while (first < last && depth < DEPTH_MAX) {
		struct str name = part(&e[first], at);
		uint32_t next = first;
		uint64_t weight;

		while (next < last && str_eq(part(&e[next], at), name))
			next++;
		weight = weigh(d, first, next);
		frame(d, name, depth, before, weight);
		draw(d, first, next, at + name.len + 1, depth + 1, before);
		before += weight;
		first = next;
	}
}

static uint32_t depth_of(const struct folded *e)
{
	uint32_t n = 1;

	for (uint32_t i = 0; i < e->length; i++)
		n += e->line[i] == ';';
	return n;
}

static void head(struct drawing *d)
{
	int height = TOP + (int)d->rows * ROW + BOTTOM;

	fprintf(d->s->out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\" data-total=\"%llu\" data-margin=\"%d\" data-char=\"%.1f\">\n"
		"<style>text{font:11px monospace;fill:#000;pointer-events:none}.f rect{stroke:#fff;stroke-width:.5}"
		".f:hover rect{stroke:#000}.found rect{fill:#c3f}.past rect{opacity:.5}.f{cursor:pointer}"
		".b{text-decoration:underline;cursor:pointer;pointer-events:all}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fdfdf6\"/>\n"
		"<text x=\"%d\" y=\"22\" style=\"font-size:16px\">Flame graph</text>\n"
		"<text x=\"%d\" y=\"42\" id=\"info\">%llu in all; kernel frames are blue</text>\n",
		WIDTH, height, WIDTH, height, (unsigned long long)d->total, MARGIN, char_width, MARGIN, MARGIN,
		(unsigned long long)d->total);
}

static void tail(struct session *s)
{
	fprintf(s->out, "<script><![CDATA[\n%s]]></script>\n</svg>\n", script);
}

static void flame_finish(struct session *s)
{
	struct drawing d = { .s = s, .flame = flame_of(s), .rows = 1 };
	struct flame *f = d.flame;
	const struct str root = STR("all");

	for (uint32_t i = 0; i < f->entries.n; i++) {
		uint32_t depth = depth_of(&f->entries.v[i]) + 1;

		d.rows = depth > d.rows ? depth : d.rows;
	}
	d.rows = d.rows < DEPTH_MAX ? d.rows : DEPTH_MAX;
	d.total = weigh(&d, 0, f->entries.n);
	if (f->entries.n > 1)
		qsort(f->entries.v, f->entries.n, sizeof *f->entries.v, fold_order);
	head(&d);
	if (d.total) {
		frame(&d, root, 0, 0, d.total);
		draw(&d, 0, f->entries.n, 0, 1, 0);
	}
	tail(s);
}

const struct out out_flame = {
	.name = "flame",
	.text = fold_text,
	.line = fold_line,
	.value = fold_print,
	.map = flame_map,
	.cleared = flame_cleared,
	.finish = flame_finish,
};
