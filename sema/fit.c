// SPDX-License-Identifier: Apache-2.0
/*
 * Keys that fit. Before Linux 5.11 a hash's key has at most 512 bytes (MAX_BPF_STACK,
 * kernel/bpf/hashtab.c): there the longest strings of longer keys give up what is too much. What does
 * not fit is cut, prints as cut, and is counted.
 */
#include "sema/script.h"

#include <string.h>

enum { KEY_MAX_OLD = 512, LEAST = 16 };

static const struct type *shrink(struct types *, const struct type *, uint32_t slot);

/* The string, or tuple, that takes most of a tuple; -1: none that could give anything. */
static int widest(const struct type *t)
{
	int best = -1;

	for (uint32_t i = 0; i < t->nfields; i++) {
		const struct type *m = t->fields[i].type;

		if ((m->kind == T_STRING || m->kind == T_TUPLE) && type_slot(m) > LEAST &&
		    (best < 0 || type_slot(m) > type_slot(t->fields[best].type)))
			best = (int)i;
	}
	return best;
}

static const struct type *shrink_member(struct types *types, const struct type *t, uint32_t i, uint32_t slot)
{
	const struct type *member[t->nfields + 1];
	struct str name[t->nfields + 1];

	for (uint32_t k = 0; k < t->nfields; k++) {
		member[k] = t->fields[k].type;
		name[k] = t->fields[k].name;
	}
	member[i] = shrink(types, member[i], slot);
	return type_record(types, member, type_is_record(t) ? name : NULL, t->nfields);
}

/* Down to so many bytes, or as far as it goes. A string keeps one byte of its slot free: what is cut
 * fills its capacity, without a NUL. */
static const struct type *shrink(struct types *types, const struct type *t, uint32_t slot)
{
	if (t->kind == T_STRING)
		return type_slot(t) > slot ? type_string(types, slot - 7) : t;
	while (t->kind == T_TUPLE && type_slot(t) > slot) {
		int i = widest(t);
		uint32_t excess = type_slot(t) - slot, have = i < 0 ? 0 : type_slot(t->fields[i].type);
		const struct type *smaller;

		if (i < 0)
			break;
		smaller = shrink_member(types, t, (uint32_t)i, have > excess + LEAST ? have - excess : LEAST);
		if (smaller == t)
			break;
		t = smaller;
	}
	return t;
}

const struct type *fit_key(struct script *s, struct map *m)
{
	struct features f;

	if (!m->key || type_slot(m->key) <= KEY_MAX_OLD)
		return m->key;
	features_read(&s->work, &f);
	if (f.release >= (5 << 16 | 11 << 8))
		return m->key;
	m->key_cut = true;
	return shrink(&s->types, m->key, KEY_MAX_OLD);
}
