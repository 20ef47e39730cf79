// SPDX-License-Identifier: Apache-2.0
/*
 * The session: what the right half of the wall passes around while a script runs, and the buffers
 * that its printing reuses. Buffers grow and never shrink, so that after the first few events the
 * loop allocates nothing. They lie in the session's arena: what they outgrow is wasted until the
 * end, at most as much again as they hold.
 */
#ifndef XBT_SESSION_H
#define XBT_SESSION_H

#include <signal.h>

#include "codegen/image.h"
#include "core/core.h"
#include "sema/types.h"

struct ksyms;
struct out;
struct ring_buffer;
struct usyms;
struct sideband;
struct flame;

/* Bytes that grow. The first byte is aligned for any type. */
struct buffer {
	struct arena *arena;
	char *v;
	size_t n, cap;
};

/* One element of a map: where its key and value stand in the snapshot, and what it is sorted by. */
struct element {
	uint64_t order;
	uint32_t at;
};

/* The elements of one map, per-CPU parts merged, in the order in which they print. */
struct snapshot {
	const struct map *map;
	uint32_t key_size, value_size; /* of keys and merged values: multiples of 8 */
	uint32_t n;
	uint32_t first;                /* elements before it are cut off by print()'s `top` */
	uint64_t div;                  /* what integers are divided by when printed; at least 1 */
	struct buffer keys, values, elements;
};

enum { USERS_CACHED = 16, USER_NAME_MAX = 48 };

struct user {
	bool known;
	uint32_t uid;
	char name[USER_NAME_MAX];
};

struct session {
	struct image *image;
	int *map_fds;      /* parallel to image->maps */
	uint64_t *ledger;  /* mapped memory, parallel to image->ledger */
	struct ksyms *ksyms;
	struct usyms *usyms;
	struct sideband *sideband; /* NULL: processes are asked when they are to be named */
	uint32_t ncpus;    /* possible CPUs: how many parts a per-CPU value has */
	FILE *out;
	FILE *err;         /* where trouble is reported while running */
	const struct out *format;
	bool terminal;     /* output goes to one: it must not obey what is traced */

	bool done;         /* the script called exit() */
	bool deaf;         /* since then: what other programs said after it counts no more */
	int exit_status;
	uint64_t malformed; /* event records that could not be what they said */

	/* Private to loop.c. */
	struct ring_buffer *ring;
	bool draining;       /* read all there is, whatever happens */
	uint32_t at_once;    /* events since the loop last looked around */
	sigset_t waiting;    /* the signal mask to wait with */

	/* Private to the printing half. */
	struct arena arena;
	struct buffer text;      /* the output of one event or map */
	struct flame *flame;     /* what -f flame has collected */
	struct buffer stack;     /* the addresses of one stack */
	struct buffer json;      /* the same as JSON */
	bool compact;            /* keys as JSON has them: no blanks between their members */
	struct buffer scratch;   /* a strftime format */
	struct buffer raw_keys, raw_values; /* what the kernel hands out, before merging */
	struct snapshot snapshot;
	bool *zeroed;      /* by map id: a keyless aggregation that exists though it is all zeros */
	int64_t wall_offset; /* wall clock - boot clock, ns */
	int64_t tai_offset;  /* TAI - wall clock, ns */
	struct user users[USERS_CACHED];
};

/* Sets up all that does not need the kernel's objects: out (stdout), err (stderr), format (text),
 * ncpus, the clocks and the buffers. The caller fills map_fds, ledger and ksyms. The session must
 * stay where it is from then on: its buffers know its arena. */
void session_init(struct session *, struct image *);
void session_free(struct session *);

/* ---- buffers (session.c) ---------------------------------------------------------------- */

/* Room for `size` more bytes; they count once the caller adds them to n. */
char *buffer_room(struct buffer *, size_t size);
void buffer_bytes(struct buffer *, const void *, size_t size);
void buffer_str(struct buffer *, struct str);
void buffer_char(struct buffer *, char);
void buffer_fill(struct buffer *, char, size_t n);
void buffer_printf(struct buffer *, const char *fmt, ...) PRINTF(2, 3);

#endif
