// SPDX-License-Identifier: Apache-2.0
/*
 * Where programs and libraries are: PATH, the dynamic linker's cache, the maps of processes.
 *
 * The cache (/etc/ld.so.cache) is an index of names and paths. Its format is that of glibc 2.2 and
 * later: a header, entries of 24 bytes, strings at offsets from the header. Older caches carry that
 * behind a table of their own.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/target.h"

/* ---- programs --------------------------------------------------------------------------- */

static const char *find_program(struct arena *a, struct str name)
{
	const char *path = getenv("PATH");

	for (const char *p = path ? path : "/usr/bin:/bin"; *p;) {
		uint32_t n = (uint32_t)strcspn(p, ":");
		const char *file = arena_printf(a, "%.*s/%.*s", (int)n, p, STR_ARG(name));

		if (n && !access(file, X_OK))
			return file;
		p += n + (p[n] == ':');
	}
	return NULL;
}

/* ---- libraries -------------------------------------------------------------------------- */

static const char magic[] = "glibc-ld.so.cache1.1";

struct cache_header {
	char magic[20];
	uint32_t entries, strings;
	uint32_t unused[5];
};

struct cache_entry {
	int32_t flags;
	uint32_t key, value; /* offsets of strings */
	uint32_t version;
	uint64_t hardware;
};

/* The string at an offset; NULL if it is not all there. */
static const char *cache_string(struct str cache, uint32_t at)
{
	return at < cache.len && memchr(cache.s + at, 0, cache.len - at) ? cache.s + at : NULL;
}

/* "libc" also means "libc.so.6". */
static bool is_called(const char *key, struct str name)
{
	return !strncmp(key, name.s, name.len) &&
	       (!key[name.len] || !strncmp(key + name.len, ".so", 3));
}

static bool is_native(struct arena *a, const char *path)
{
	const char *why;
	struct elf *elf = elf_open(a, path, &why);

	if (elf)
		elf_close(elf);
	return elf != NULL;
}

static const char *find_library(struct arena *a, struct str name)
{
	struct str cache = target_read(a, "/etc/ld.so.cache");
	const char *start = memmem(cache.s, cache.len, magic, sizeof magic - 1);
	struct cache_header h;

	if (!start || cache.len - (size_t)(start - cache.s) < sizeof h)
		return NULL;
	cache = (struct str){ start, cache.len - (uint32_t)(start - cache.s) };
	memcpy(&h, cache.s, sizeof h);
	for (uint32_t i = 0; i < h.entries && sizeof h + (i + 1) * sizeof(struct cache_entry) <= cache.len; i++) {
		struct cache_entry e;
		const char *key, *value;

		memcpy(&e, cache.s + sizeof h + i * sizeof e, sizeof e);
		key = cache_string(cache, e.key);
		value = cache_string(cache, e.value);
		if (key && value && is_called(key, name) && is_native(a, value))
			return arena_printf(a, "%s", value);
	}
	return NULL;
}

/* /lib may be a link to /usr/lib. */
static const char *real_path(struct arena *a, const char *path)
{
	char *real = realpath(path, NULL);

	if (real)
		path = arena_printf(a, "%s", real);
	free(real);
	return path;
}

const char *binary_find(struct arena *a, struct str name)
{
	const char *path;

	if (memchr(name.s, '/', name.len))
		return str_dup(a, name);
	path = find_program(a, name);
	path = path ? path : find_library(a, name);
	return path ? real_path(a, path) : NULL;
}

/* ---- processes -------------------------------------------------------------------------- */

struct mapped {
	struct arena *arena;
	struct table seen;
	void (*visit)(void *, const char *);
	void *ctx;
};

/* "55d0-55d1 r-xp 00000000 fe:01 1234   /usr/bin/bash" */
static void note_mapping(struct mapped *m, struct str line)
{
	const char *flags = memchr(line.s, ' ', line.len);
	const char *path = memchr(line.s, '/', line.len);
	struct str file;

	if (!flags || !path || line.s + line.len - flags < 5 || flags[3] != 'x')
		return;
	file = (struct str){ path, (uint32_t)(line.s + line.len - path) };
	if (table_get(&m->seen, file))
		return;
	file = str_of(str_dup(m->arena, file));
	table_set(m->arena, &m->seen, file, (void *)file.s);
	m->visit(m->ctx, file.s);
}

static void read_maps(struct mapped *m, const char *pid)
{
	struct lines *lines = arena_alloc(m->arena, sizeof *lines);
	struct str line;

	if (!lines_open(lines, m->arena, arena_printf(m->arena, "/proc/%s/maps", pid)))
		return;
	while (lines_next(lines, &line))
		note_mapping(m, line);
	lines_close(lines);
}

void binaries_mapped(struct arena *a, int pid, void (*visit)(void *, const char *), void *ctx)
{
	struct mapped m = { .arena = a, .visit = visit, .ctx = ctx };
	struct dirent *e;
	DIR *all;

	if (pid > 0) {
		read_maps(&m, arena_printf(a, "%d", pid));
		return;
	}
	all = opendir(target_path(a, "/proc"));
	while (all && (e = readdir(all)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			read_maps(&m, e->d_name);
	if (all)
		closedir(all);
}
