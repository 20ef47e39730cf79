// SPDX-License-Identifier: Apache-2.0
/*
 * Results as JSON, one object a line, the way bpftrace writes them:
 *
 *	{"type": "map", "data": {"@a": {"k": 1, "k2": 2}}}
 *
 * The line grows in s->json; what is text (strings, symbols, keys) is made in s->text by value.c, as
 * for every other format, and goes from there into the line with its quotes. Members of a key are
 * joined without blanks. Readers take numbers for doubles, so an integer that is none becomes a
 * string. Text is UTF-8: a byte that is part of no character stands as the code of its number.
 */
#include <string.h>

#include "runtime/print.h"

static void json_value(struct session *, const struct type *, const uint8_t *slot);

/* ---- strings ---------------------------------------------------------------------------- */

static void escape(struct buffer *b, unsigned char c)
{
	static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
	const char *known = c ? strchr(from, c) : NULL;

	if (known) {
		buffer_char(b, '\\');
		buffer_char(b, to[known - from]);
	} else {
		buffer_printf(b, "\\u%04x", c);
	}
}

static void json_string(struct buffer *b, const char *text, size_t size)
{
	const unsigned char *at = (const unsigned char *)text, *end = at + size;

	buffer_char(b, '"');
	while (at < end) {
		uint32_t n = utf8_length(at, (uint32_t)(end - at));

		if (!n || *at < 0x20 || *at == '"' || *at == '\\') {
			escape(b, *at++);
		} else {
			buffer_bytes(b, at, n);
			at += n;
		}
	}
	buffer_char(b, '"');
}

/* ---- values ----------------------------------------------------------------------------- */

/* Is it exactly a double? */
static bool is_double(uint64_t magnitude)
{
	return !magnitude || 64 - __builtin_clzll(magnitude) - __builtin_ctzll(magnitude) <= 53;
}

void json_integer(struct buffer *b, uint64_t v, bool sign)
{
	bool quoted = !is_double(sign && (int64_t)v < 0 ? -v : v);

	buffer_bytes(b, "\"", quoted);
	integer_text(b, v, sign);
	buffer_bytes(b, "\"", quoted);
}

static void json_text(struct session *s, const struct type *t, const uint8_t *slot)
{
	s->text.n = 0;
	value_text(s, &s->text, t, slot);
	json_string(&s->json, s->text.v, s->text.n);
}

static void json_name(struct buffer *b, struct str name, uint32_t i)
{
	buffer_bytes(b, ", ", i ? 2 : 0);
	json_string(b, name.s, name.len);
	buffer_bytes(b, ": ", 2);
}

static void json_bytes(struct buffer *b, const uint8_t *bytes, uint64_t n)
{
	buffer_char(b, '[');
	for (uint64_t i = 0; i < n; i++)
		buffer_printf(b, i ? ",%u" : "%u", bytes[i]);
	buffer_char(b, ']');
}

static void json_tuple(struct session *s, const struct type *t, const uint8_t *slot)
{
	bool record = type_is_record(t);

	buffer_char(&s->json, record ? '{' : '[');
	for (uint32_t i = 0; i < t->nfields; i++) {
		if (record)
			json_name(&s->json, t->fields[i].name, i);
		else
			buffer_bytes(&s->json, ",", i ? 1 : 0);
		json_value(s, t->fields[i].type, slot + t->fields[i].offset);
	}
	buffer_char(&s->json, record ? '}' : ']');
}

/* What lies in memory as C has it. */
static void json_c(struct session *s, const struct type *t, const uint8_t *at)
{
	uint64_t slot = 0;

	if (type_is_scalar(t)) {
		slot = load_sized(at, t->size, t->sign);
		at = (const uint8_t *)&slot;
	}
	json_value(s, t, at);
}

static void json_array(struct session *s, const struct type *t, const uint8_t *at)
{
	buffer_char(&s->json, '[');
	for (uint32_t i = 0; i < t->len; i++) {
		buffer_bytes(&s->json, ",", i ? 1 : 0);
		json_c(s, t->of, at + (size_t)i * t->of->size);
	}
	buffer_char(&s->json, ']');
}

static void json_struct(struct session *s, const struct type *t, const uint8_t *at)
{
	buffer_char(&s->json, '{');
	for (uint32_t i = 0; i < t->nfields; i++) {
		const struct field *f = &t->fields[i];

		json_name(&s->json, f->name, i);
		if (f->offset > t->size || t->size - f->offset < field_bytes(f))
			buffer_bytes(&s->json, "null", 4);
		else if (f->bits)
			json_integer(&s->json, load_bits(f, at + f->offset), f->type->sign);
		else
			json_c(s, f->type, at + f->offset);
	}
	buffer_char(&s->json, '}');
}

static void json_value(struct session *s, const struct type *t, const uint8_t *slot)
{
	uint64_t n;

	switch (t->kind) {
	case T_INT:
		json_integer(&s->json, load_u64(slot), t->sign);
		break;
	case T_POINTER:
		json_integer(&s->json, load_u64(slot), false);
		break;
	case T_BOOL:
		value_text(s, &s->json, t, slot);
		break;
	case T_BUFFER:
		n = load_u64(slot);
		json_bytes(&s->json, slot + 8, n < t->len ? n : t->len);
		break;
	case T_TUPLE:
		json_tuple(s, t, slot);
		break;
	case T_ARRAY:
		json_array(s, t, slot);
		break;
	case T_STRUCT:
		json_struct(s, t, slot);
		break;
	default:
		json_text(s, t, slot);
	}
}

/* ---- maps ------------------------------------------------------------------------------- */

static void json_bucket(struct buffer *b, const struct map *map, uint32_t i, uint64_t count)
{
	const struct hist_shape *h = &map->hist;
	bool linear = map->agg == AGG_LHIST, last = linear && i + 1 == lhist_buckets(h);
	uint64_t step = (uint64_t)h->step, lower = (uint64_t)h->min + (i - 1) * step;
	uint64_t next = linear ? lower + step : hist_bound(i + 1, h->bits);

	buffer_char(b, '{');
	if (i) {
		buffer_printf(b, "\"min\": ");
		json_integer(b, linear ? lower : hist_bound(i, h->bits), linear);
		buffer_bytes(b, ", ", 2);
	}
	if (!last) {
		buffer_printf(b, "\"max\": ");
		json_integer(b, i ? next - 1 : linear ? (uint64_t)h->min - 1 : (uint64_t)-1, linear || !i);
		buffer_bytes(b, ", ", 2);
	}
	buffer_printf(b, "\"count\": ");
	json_integer(b, count, false);
	buffer_char(b, '}');
}

static void json_hist(struct buffer *b, const struct map *map, const uint64_t *bucket, uint64_t div)
{
	uint32_t first, last;

	buffer_char(b, '[');
	if (hist_range(map, bucket, &first, &last))
		for (uint32_t i = first; i <= last; i++) {
			buffer_bytes(b, ",", i > first);
			json_bucket(b, map, i, bucket[i] / div);
		}
	buffer_char(b, ']');
}

static void json_stats(struct buffer *b, const uint64_t *value, uint64_t div, bool sign)
{
	buffer_printf(b, "{\"count\": ");
	json_integer(b, value[1], false);
	buffer_printf(b, ", \"average\": ");
	json_integer(b, agg_divide(agg_divide(value[0], value[1], sign), div, sign), sign);
	buffer_printf(b, ", \"total\": ");
	json_integer(b, value[0], sign);
	buffer_char(b, '}');
}

static void json_element(struct session *s, const struct snapshot *snap, uint32_t i)
{
	const uint64_t *value = snapshot_value(snap, i);
	const struct map *map = snap->map;
	bool sign = map->agg != AGG_COUNT && map->val && map->val->sign;

	switch (map->agg) {
	case AGG_HIST:
	case AGG_LHIST:
		json_hist(&s->json, map, value, snap->div);
		break;
	case AGG_TSERIES:
		tseries_json(s, &s->json, snap, i);
		break;
	case AGG_STATS:
		json_stats(&s->json, value, snap->div, sign);
		break;
	case AGG_NONE:
		if (map->val->kind != T_INT || type_is_enum(map->val)) {
			json_value(s, map->val, (const uint8_t *)value);
			break;
		}
		/* fall through */
	default:
		json_integer(&s->json, agg_divide(agg_number(map, value), snap->div, sign), sign);
	}
}

static const char *type_of(const struct map *map)
{
	switch (map->agg) {
	case AGG_HIST:
	case AGG_LHIST:
		return "hist";
	case AGG_TSERIES:
		return "tseries";
	case AGG_AVG:
	case AGG_STATS:
		return "stats";
	default:
		return "map";
	}
}

/* ---- lines ------------------------------------------------------------------------------ */

static void begin(struct session *s, const char *type)
{
	s->json.n = 0;
	buffer_printf(&s->json, "{\"type\": \"%s\", \"data\": ", type);
}

static void end(struct session *s)
{
	buffer_bytes(&s->json, "}\n", 2);
	fwrite(s->json.v, 1, s->json.n, s->out);
}

static void json_key(struct session *s, const struct snapshot *snap, uint32_t i)
{
	s->text.n = 0;
	s->compact = true;
	key_text(s, &s->text, snap->map->key, snapshot_key(snap, i));
	s->compact = false;
	json_name(&s->json, (struct str){ s->text.v, (uint32_t)s->text.n }, i > snap->first);
}

static void json_map(struct session *s, const struct snapshot *snap)
{
	const struct map *map = snap->map;

	if (!snap->n)
		return;
	begin(s, type_of(map));
	buffer_char(&s->json, '{');
	json_name(&s->json, map->name, 0);
	if (map->key)
		buffer_char(&s->json, '{');
	for (uint32_t i = snap->first; i < snap->n; i++) {
		if (map->key)
			json_key(s, snap, i);
		json_element(s, snap, i);
	}
	buffer_bytes(&s->json, "}}", map->key ? 2 : 1);
	end(s);
}

/* Newlines that a format of lines would add are not part of the text. */
static void json_event(struct session *s, const char *type, struct str text)
{
	begin(s, type);
	json_string(&s->json, text.s, text.len);
	end(s);
}

static void json_print(struct session *s, const struct type *type, const uint8_t *slot)
{
	begin(s, "value");
	json_value(s, type, slot);
	end(s);
}

static void json_counted(struct session *s, const char *type, const char *what, uint64_t n)
{
	fprintf(s->out, "{\"type\": \"%s\", \"count\": %llu, \"data\": {\"%s\": %llu}}\n", type,
		(unsigned long long)n, what, (unsigned long long)n);
}

static void json_attached(struct session *s, uint32_t n)
{
	json_counted(s, "attached_probes", "probes", n);
}

static void json_complaint(struct session *s, const char *type, struct str text, struct position at)
{
	/* What a command line gives has this name in bpftrace. */
	const char *file = strcmp(s->image->source.name, "-e") ? s->image->source.name : "stdin";

	s->json.n = 0;
	buffer_printf(&s->json, "{\"type\": \"%s\", \"msg\": ", type);
	json_string(&s->json, text.s, text.len);
	buffer_printf(&s->json, ", \"filename\": ");
	json_string(&s->json, file, strlen(file));
	buffer_printf(&s->json, ", \"line\": %u, \"col\": %u", at.line, at.column);
	end(s);
}

static void json_lost(struct session *s, uint64_t n)
{
	json_counted(s, "lost_events", "events", n);
}

const struct out out_json = {
	.name = "json",
	.text = json_event,
	.line = json_event,
	.value = json_print,
	.map = json_map,
	.attached = json_attached,
	.lost = json_lost,
	.complaint = json_complaint,
};
