// SPDX-License-Identifier: Apache-2.0
/*
 * A hash table from slices to pointers: open addressing, linear probing, at most half full.
 */
#include "core/core.h"

struct table_slot {
	struct str key;
	void *value; /* NULL: the slot is free */
};

static struct table_slot *find_slot(const struct table *t, struct str key)
{
	uint32_t i = (uint32_t)str_hash(key) & (t->cap - 1);

	while (t->slots[i].value && !str_eq(t->slots[i].key, key))
		i = (i + 1) & (t->cap - 1);
	return &t->slots[i];
}

void *table_get(const struct table *t, struct str key)
{
	return t->cap ? find_slot(t, key)->value : NULL;
}

static void grow(struct arena *a, struct table *t)
{
	struct table old = *t;

	t->cap = old.cap ? old.cap * 2 : 16;
	t->slots = arena_alloc(a, t->cap * sizeof *t->slots);
	for (uint32_t i = 0; i < old.cap; i++)
		if (old.slots[i].value)
			*find_slot(t, old.slots[i].key) = old.slots[i];
}

void table_set(struct arena *a, struct table *t, struct str key, void *value)
{
	struct table_slot *slot;

	if (t->n * 2 >= t->cap)
		grow(a, t);
	slot = find_slot(t, key);
	t->n += !slot->value;
	*slot = (struct table_slot){ key, value };
}
