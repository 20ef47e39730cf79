// SPDX-License-Identifier: Apache-2.0
/*
 * Paths and whole small files of the traced machine.
 *
 * All of target/ and probes/ reads /sys, /proc and /boot through here, so that XBT_ROOT=DIR puts a
 * frozen kernel in place of the running one. Files there have no size worth trusting (st_size is 0
 * or 4096), hence everything is read until the end. The line reader is for the large
 * ones, such as available_filter_functions, which are never held whole.
 */
#include "target/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SMALL_FILE_MAX = 1 << 20 };

static const char *frozen_root(void)
{
	const char *root = getenv("XBT_ROOT");

	return root && *root ? root : NULL;
}

const char *target_path(struct arena *a, const char *path)
{
	const char *root = frozen_root();

	return root ? arena_printf(a, "%s%s", root, path) : path;
}

bool target_is_frozen(void)
{
	return frozen_root() != NULL;
}

ssize_t target_read_some(int fd, char *buf, size_t size)
{
	ssize_t got;

	do
		got = read(fd, buf, size);
	while (got < 0 && errno == EINTR);
	return got;
}

struct str target_read(struct arena *a, const char *path)
{
	int fd = open(target_path(a, path), O_RDONLY | O_CLOEXEC);
	VEC(char) bytes = { 0 };
	char buf[16384];
	ssize_t got;
	int error = 0;

	if (fd < 0)
		return (struct str){ "", 0 };
	while ((got = target_read_some(fd, buf, sizeof buf)) > 0 && bytes.n < SMALL_FILE_MAX) {
		while (bytes.n + (uint32_t)got > bytes.cap)
			bytes.v = vec_grow(a, bytes.v, 1, bytes.cap, &bytes.cap);
		memcpy(bytes.v + bytes.n, buf, (size_t)got);
		bytes.n += (uint32_t)got;
	}
	if (got < 0)
		error = errno;
	close(fd);
	errno = error;
	if (error || !bytes.n)
		return (struct str){ "", 0 };
	bytes.n -= bytes.v[bytes.n - 1] == '\n';
	return (struct str){ bytes.v, bytes.n };
}

bool lines_open(struct lines *l, struct arena *a, const char *path)
{
	l->fd = open(target_path(a, path), O_RDONLY | O_CLOEXEC);
	l->beg = l->end = 0;
	l->failed = l->fd < 0;
	return !l->failed;
}

/* Moves what is left of a line to the front and reads more behind it. */
static bool refill(struct lines *l)
{
	ssize_t got;

	if (l->fd < 0 || l->end - l->beg == sizeof l->buf)
		return false;
	memmove(l->buf, l->buf + l->beg, l->end - l->beg);
	l->end -= l->beg;
	l->beg = 0;
	got = target_read_some(l->fd, l->buf + l->end, sizeof l->buf - l->end);
	if (got <= 0) {
		l->failed |= got < 0;
		return false;
	}
	l->end += (uint32_t)got;
	return true;
}

bool lines_next(struct lines *l, struct str *line)
{
	uint32_t seen = 0;
	char *newline;

	while (!(newline = memchr(l->buf + l->beg + seen, '\n', l->end - l->beg - seen))) {
		seen = l->end - l->beg;
		if (refill(l))
			continue;
		/* The end, or a line that no such file has: what is there is the last one. */
		*line = (struct str){ l->buf + l->beg, seen };
		l->beg = l->end;
		return seen > 0;
	}
	*line = (struct str){ l->buf + l->beg, (uint32_t)(newline - (l->buf + l->beg)) };
	l->beg += line->len + 1;
	return true;
}

void lines_close(struct lines *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
