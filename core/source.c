// SPDX-License-Identifier: Apache-2.0
/*
 * A script's text. Nodes carry byte offsets; lines and columns are computed only when a
 * diagnostic is printed or line information is written.
 */
#include "core/core.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void source_init(struct arena *a, struct source *src, const char *name, struct str text)
{
	src->name = name;
	src->text = text;
	*vec_push(a, &src->lines) = 0;
	for (uint32_t i = 0; i < text.len; i++)
		if (text.s[i] == '\n')
			*vec_push(a, &src->lines) = i + 1;
}

struct position source_position(const struct source *src, uint32_t offset)
{
	uint32_t low = 0, high = src->lines.n;

	if (!high)
		return (struct position){ 1, 1 };
	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (src->lines.v[mid] <= offset)
			low = mid;
		else
			high = mid;
	}
	return (struct position){ low + 1, offset - src->lines.v[low] + 1 };
}

struct str source_line(const struct source *src, uint32_t line)
{
	uint32_t beg, end;

	if (!line || line > src->lines.n)
		return (struct str){ "", 0 };
	beg = src->lines.v[line - 1];
	end = line < src->lines.n ? src->lines.v[line] - 1 : src->text.len;
	if (end > beg && src->text.s[end - 1] == '\r')
		end--;
	return (struct str){ src->text.s + beg, end - beg };
}

struct str source_read(struct arena *a, const char *path, size_t max, const char **error)
{
	bool piped = !strcmp(path, "-");
	int fd = piped ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct str text = { NULL, 0 };
	VEC(char) bytes = { 0 };
	struct stat st;
	ssize_t got;
	char buf[16384];

	*error = NULL;
	if (fd < 0 || fstat(fd, &st) < 0) {
		*error = strerror(errno);
		goto out;
	}
	if (S_ISDIR(st.st_mode)) {
		*error = strerror(EISDIR);
		goto out;
	}
	while ((got = read(fd, buf, sizeof buf)) > 0 && bytes.n + (size_t)got <= max) {
		while (bytes.n + (size_t)got > bytes.cap)
			bytes.v = vec_grow(a, bytes.v, 1, bytes.cap, &bytes.cap);
		memcpy(bytes.v + bytes.n, buf, (size_t)got);
		bytes.n += (uint32_t)got;
	}
	if (got < 0)
		*error = strerror(errno);
	else if (got > 0)
		*error = arena_printf(a, "larger than %zu bytes: not a script", max);
	else
		text = (struct str){ bytes.n ? bytes.v : "", bytes.n };
out:
	if (fd >= 0 && !piped)
		close(fd);
	return text;
}
