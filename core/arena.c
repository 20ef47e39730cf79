// SPDX-License-Identifier: Apache-2.0
/*
 * Arenas: memory in chunks, freed all at once.
 *
 * Nothing is freed singly and nothing is counted: a compilation's nodes, types, strings and
 * instructions die together. Out of memory ends here and nowhere else.
 */
#include "core/core.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 64 * 1024, ALIGN = 16 };

struct chunk {
	struct chunk *next;
	size_t used, size;
	_Alignas(ALIGN) char data[];
};

static void (*release_hook)(void);

void arena_on_exhaustion(void (*release)(void))
{
	release_hook = release;
}

/* Memory is given out zeroed: a large object's chunk comes so, others are zeroed as they are used,
 * which leaves untouched what nobody uses. */
static struct chunk *chunk_new(struct arena *a, size_t size, bool large)
{
	struct chunk *c = large ? calloc(1, sizeof *c + size) : malloc(sizeof *c + size);

	if (!c) {
		if (release_hook)
			release_hook();
		fputs("xbt: error: out of memory\n", stderr);
		exit(1);
	}
	c->size = size;
	c->used = 0;
	/* A large object's chunk goes behind the current one, whose room is still good. */
	if (a->chunks && large) {
		c->next = a->chunks->next;
		a->chunks->next = c;
	} else {
		c->next = a->chunks;
		a->chunks = c;
	}
	return c;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct chunk *c = a->chunks;
	bool large;
	void *p;

	size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	large = size > CHUNK / 4;
	if (large || !c || c->size - c->used < size)
		c = chunk_new(a, large ? size : CHUNK, large);
	p = c->data + c->used;
	c->used += size;
	return large ? p : memset(p, 0, size);
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char *s;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	s = arena_alloc(a, (size_t)n + 1);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	return s;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return s;
}

void arena_free(struct arena *a)
{
	struct chunk *next;

	for (struct chunk *c = a->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	a->chunks = NULL;
}

void *vec_grow(struct arena *a, void *v, size_t size, uint32_t n, uint32_t *cap)
{
	void *grown;

	if (n < *cap)
		return v;
	*cap = *cap ? *cap * 2 : 8;
	grown = arena_alloc(a, size * *cap);
	if (n)
		memcpy(grown, v, size * n);
	return grown;
}
