// SPDX-License-Identifier: Apache-2.0
/*
 * The session's beginning and end, and its growing buffers.
 */
#include "runtime/session.h"

#include <bpf/libbpf.h>
#include <string.h>
#include <time.h>

#include "runtime/print.h"

/* The least room a buffer starts with. */
enum { BUFFER_FIRST = 4096 };

char *buffer_room(struct buffer *b, size_t size)
{
	size_t need = b->n + size, cap = b->cap ? b->cap : BUFFER_FIRST;
	char *grown;

	if (b->v && need <= b->cap)
		return b->v + b->n;
	while (cap < need)
		cap *= 2;
	grown = arena_alloc(b->arena, cap);
	if (b->n)
		memcpy(grown, b->v, b->n);
	b->v = grown;
	b->cap = cap;
	return b->v + b->n;
}

void buffer_bytes(struct buffer *b, const void *bytes, size_t size)
{
	char *room = buffer_room(b, size);

	if (size)
		memcpy(room, bytes, size);
	b->n += size;
}

void buffer_str(struct buffer *b, struct str s)
{
	buffer_bytes(b, s.s, s.len);
}

void buffer_char(struct buffer *b, char c)
{
	*buffer_room(b, 1) = c;
	b->n++;
}

void buffer_fill(struct buffer *b, char c, size_t n)
{
	memset(buffer_room(b, n), c, n);
	b->n += n;
}

void buffer_printf(struct buffer *b, const char *fmt, ...)
{
	enum { USUAL = 256 };
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(buffer_room(b, USUAL), USUAL, fmt, ap);
	if (n >= USUAL)
		vsnprintf(buffer_room(b, (size_t)n + 1), (size_t)n + 1, fmt, again);
	va_end(again);
	va_end(ap);
	b->n += (size_t)n;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}

void session_init(struct session *s, struct image *image)
{
	int ncpus = libbpf_num_possible_cpus();
	struct buffer *const buffers[] = {
		&s->text,	   &s->scratch,	       &s->raw_keys,	       &s->raw_values,
		&s->snapshot.keys, &s->snapshot.values, &s->snapshot.elements, &s->json,
		&s->stack,
	};

	*s = (struct session){ .image = image, .out = stdout, .err = stderr, .format = &out_text };
	s->ncpus = ncpus > 0 ? (uint32_t)ncpus : 1;
	for (size_t i = 0; i < LEN(buffers); i++)
		buffers[i]->arena = &s->arena;
	s->zeroed = arena_alloc(&s->arena, (image->maps.n + 1) * sizeof *s->zeroed);
	tzset();
	/* Taken once: two readings of one time stamp must print alike. */
	s->wall_offset = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME);
	s->tai_offset = (clock_ns(CLOCK_TAI) - clock_ns(CLOCK_REALTIME) + 500000000) / 1000000000 * 1000000000;
}

void session_free(struct session *s)
{
	arena_free(&s->arena);
}
