// SPDX-License-Identifier: Apache-2.0
/*
 * Results as text, the way bpftrace writes them. Each event and each map becomes one write to the
 * stream, or a few if the map is large.
 */
#include <string.h>

#include "runtime/print.h"

enum { FLUSH = 64 * 1024 };

static void flush(struct session *s)
{
	if (s->text.n)
		fwrite(s->text.v, 1, s->text.n, s->out);
	s->text.n = 0;
}

static void text_text(struct session *s, const char *type, struct str text)
{
	(void)type;
	fwrite(text.s, 1, text.len, s->out);
}

static void text_line(struct session *s, const char *type, struct str text)
{
	text_text(s, type, text);
	putc('\n', s->out);
}

static void text_value(struct session *s, const struct type *type, const uint8_t *slot)
{
	s->text.n = 0;
	value_text(s, &s->text, type, slot);
	buffer_char(&s->text, '\n');
	flush(s);
}

static void stats_text(struct buffer *b, const uint64_t *value, uint64_t div, bool sign)
{
	uint64_t average = agg_divide(value[0], value[1], sign);

	buffer_printf(b, "{ .count = %llu, .average = ", (unsigned long long)value[1]);
	integer_text(b, agg_divide(average, div, sign), sign);
	/* bpftrace's div leaves count and total alone. */
	buffer_printf(b, ", .total = ");
	integer_text(b, value[0], sign);
	buffer_printf(b, " }");
}

static void plain_text(struct session *s, const struct snapshot *snap, const uint64_t *value)
{
	const struct type *type = snap->map->val;

	if (type->kind == T_INT && !type_is_enum(type))
		integer_text(&s->text, agg_divide(value[0], snap->div, type->sign), type->sign);
	else
		value_text(s, &s->text, type, (const uint8_t *)value);
}

static void element_value(struct session *s, const struct snapshot *snap, const uint64_t *value)
{
	const struct map *map = snap->map;
	bool sign = map->agg != AGG_COUNT && map->val && map->val->sign;

	switch (map->agg) {
	case AGG_NONE:
		plain_text(s, snap, value);
		break;
	case AGG_STATS:
		stats_text(&s->text, value, snap->div, sign);
		break;
	default:
		integer_text(&s->text, agg_divide(agg_number(map, value), snap->div, sign), sign);
	}
}

static void element(struct session *s, const struct snapshot *snap, uint32_t i)
{
	const struct map *map = snap->map;
	bool hist = map->agg == AGG_HIST || map->agg == AGG_LHIST, series = map->agg == AGG_TSERIES;

	buffer_str(&s->text, map->name);
	if (map->key) {
		buffer_char(&s->text, '[');
		key_text(s, &s->text, map->key, snapshot_key(snap, i));
		buffer_char(&s->text, ']');
	}
	buffer_bytes(&s->text, hist || series ? ":\n" : ": ", 2);
	if (series)
		tseries_text(s, &s->text, snap, i);
	else if (hist)
		hist_text(&s->text, map, snapshot_value(snap, i), snap->div);
	else
		element_value(s, snap, snapshot_value(snap, i));
	buffer_char(&s->text, '\n');
}

static void text_map(struct session *s, const struct snapshot *snap)
{
	s->text.n = 0;
	for (uint32_t i = snap->first; i < snap->n; i++) {
		element(s, snap, i);
		if (s->text.n >= FLUSH)
			flush(s);
	}
	flush(s);
}

static void text_end(struct session *s)
{
	fputs("\n\n", s->out);
}

const struct out out_text = {
	.name = "text",
	.text = text_text,
	.line = text_line,
	.value = text_value,
	.map = text_map,
	.end = text_end,
};

const struct out *out_find(const char *name)
{
	static const struct out *const formats[] = { &out_text, &out_json, &out_folded, &out_flame };

	for (size_t i = 0; i < LEN(formats); i++)
		if (!strcmp(formats[i]->name, name))
			return formats[i];
	return NULL;
}
