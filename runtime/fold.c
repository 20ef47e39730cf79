// SPDX-License-Identifier: Apache-2.0
/*
 * Elements of maps as folded stacks, the form that flame graphs are made of:
 *
 *	bash;main;read;do_syscall_64_[k];vfs_read_[k]
 *
 * What is no stack in the key (a name, a number) stands first, then the process's frames, then the
 * kernel's, outermost first. A frame is its function alone: how far into it would split what belongs
 * together. If the script has several maps of stacks, their names stand before all.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/print.h"

static bool has_stack(const struct type *t)
{
	if (t->kind != T_TUPLE)
		return t->kind == T_STACK;
	for (uint32_t i = 0; i < t->nfields; i++)
		if (has_stack(t->fields[i].type))
			return true;
	return false;
}

bool fold_applies(const struct map *map)
{
	bool number = map->agg ? map->agg != AGG_TSERIES : map->val->kind == T_INT;

	return map->key && has_stack(map->key) && number;
}

static bool has_several(const struct session *s)
{
	uint32_t n = 0;

	for (uint32_t i = IMAGE_MAPS; i < s->image->maps.n; i++)
		n += s->image->maps.v[i].map && fold_applies(s->image->maps.v[i].map);
	return n > 1;
}

/* Nothing in a frame's name may look like the end of it. */
static void begin_frame(struct buffer *b)
{
	buffer_bytes(b, ";", b->n ? 1 : 0);
}

static void end_frame(struct buffer *b, size_t from, bool kernel)
{
	for (size_t i = from; i < b->n; i++)
		b->v[i] = b->v[i] == ';' ? ':' : (unsigned char)b->v[i] < ' ' ? ' ' : b->v[i];
	if (b->n == from)
		buffer_char(b, '-');
	if (kernel)
		buffer_bytes(b, "_[k]", 4);
}

static void fold_frame(void *buffer, struct str name, bool kernel)
{
	struct buffer *b = buffer;
	size_t from;

	begin_frame(b);
	from = b->n;
	buffer_str(b, name);
	end_frame(b, from, kernel);
}

/* One pass over the key takes the members of one kind. */
enum pass { PASS_PLAIN, PASS_USER, PASS_KERNEL };

static enum pass pass_of(const struct type *t)
{
	return t->kind != T_STACK ? PASS_PLAIN : t->space == SPACE_USER ? PASS_USER : PASS_KERNEL;
}

static void fold_value(struct session *s, struct buffer *b, const struct type *t, const uint8_t *slot,
		       enum pass pass)
{
	size_t from;

	if (t->kind == T_TUPLE && has_stack(t)) {
		for (uint32_t i = 0; i < t->nfields; i++)
			fold_value(s, b, t->fields[i].type, slot + t->fields[i].offset, pass);
	} else if (pass_of(t) != pass) {
		return;
	} else if (pass == PASS_PLAIN) {
		begin_frame(b);
		from = b->n;
		value_text(s, b, t, slot);
		end_frame(b, from, false);
	} else {
		stack_each(s, t, slot, fold_frame, b);
	}
}

static void fold_key(struct session *s, struct buffer *b, const struct snapshot *snap, uint32_t i)
{
	const uint8_t *key = snapshot_key(snap, i);

	b->n = 0;
	if (has_several(s))
		fold_frame(b, snap->map->name, false);
	for (enum pass pass = PASS_PLAIN; pass <= PASS_KERNEL; pass++)
		fold_value(s, b, snap->map->key, key, pass);
	if (!b->n)
		fold_frame(b, STR("[no stack]"), false);
}

static uint64_t weight_of(const struct snapshot *snap, uint32_t i)
{
	const uint64_t *value = snapshot_value(snap, i);
	const struct map *map = snap->map;
	bool sign = map->agg != AGG_COUNT && map->val && map->val->sign;
	uint64_t sum = 0;

	switch (map->agg) {
	case AGG_HIST:
	case AGG_LHIST:
		for (uint32_t k = 0; k < agg_words(map); k++)
			sum += value[k];
		return sum;
	default:
		return sign && (int64_t)value[0] < 0 ? 0 : value[0];
	}
}

struct folded fold_element(struct session *s, const struct snapshot *snap, uint32_t i)
{
	struct folded f = { .weight = weight_of(snap, i), .map = snap->map };

	fold_key(s, &s->text, snap, i);
	f.length = (uint32_t)s->text.n;
	f.line = str_dup(&s->arena, (struct str){ s->text.v, f.length });
	return f;
}

/* Frame by frame, so that those with equal beginnings stand together. */
int fold_order(const void *x, const void *y)
{
	const struct folded *a = x, *b = y;
	uint32_t n = a->length < b->length ? a->length : b->length;

	for (uint32_t i = 0; i < n; i++)
		if (a->line[i] != b->line[i]) {
			int ca = a->line[i] == ';' ? 0 : (unsigned char)a->line[i];
			int cb = b->line[i] == ';' ? 0 : (unsigned char)b->line[i];

			return ca - cb;
		}
	return (a->length > b->length) - (a->length < b->length);
}

/* ---- -f folded -------------------------------------------------------------------------- */

/* Stacks that look alike, as those of several processes may, become one line. */
static void folded_map(struct session *s, const struct snapshot *snap)
{
	struct folded *f;
	uint32_t n = 0;

	if (!fold_applies(snap->map)) {
		fold_refuse(s, snap->map);
		return;
	}
	f = arena_alloc(&s->arena, (snap->n - snap->first + 1) * sizeof *f);
	for (uint32_t i = snap->first; i < snap->n; i++)
		f[n++] = fold_element(s, snap, i);
	if (n > 1)
		qsort(f, n, sizeof *f, fold_order);
	for (uint32_t i = 0; i < n; i++)
		if (i + 1 < n && !fold_order(&f[i], &f[i + 1]))
			f[i + 1].weight += f[i].weight;
		else
			fprintf(s->out, "%s %llu\n", f[i].line, (unsigned long long)f[i].weight);
}

void fold_refuse(struct session *s, const struct map *map)
{
	fprintf(s->err, "xbt: warning: %.*s is left out of '-f %s': %s\n", STR_ARG(map->name), s->format->name,
		map->key && has_stack(map->key) ? "its values are no numbers" : "it isn't keyed by stacks");
}

void fold_text(struct session *s, const char *type, struct str text)
{
	(void)type;
	fwrite(text.s, 1, text.len, s->err);
}

void fold_line(struct session *s, const char *type, struct str text)
{
	fold_text(s, type, text);
	putc('\n', s->err);
}

void fold_print(struct session *s, const struct type *type, const uint8_t *slot)
{
	s->text.n = 0;
	value_text(s, &s->text, type, slot);
	buffer_char(&s->text, '\n');
	fwrite(s->text.v, 1, s->text.n, s->err);
}

const struct out out_folded = {
	.name = "folded",
	.text = fold_text,
	.line = fold_line,
	.value = fold_print,
	.map = folded_map,
};
