// SPDX-License-Identifier: Apache-2.0
/*
 * -l 'struct PATTERN' (or union, enum): the kernel's types and its modules', from BTF; with -v as C.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/runtime.h"
#include "target/target.h"

struct found {
	const char *name;
	uint32_t id;
};

struct listing {
	struct arena *arena;
	const char *word;
	struct str pattern;
	VEC(struct found) list;
};

static const struct { const char *word; uint32_t kinds; } words[] = {
	{ "struct", 1u << BTF_KIND_STRUCT },
	{ "union", 1u << BTF_KIND_UNION },
	{ "enum", 1u << BTF_KIND_ENUM | 1u << BTF_KIND_ENUM64 },
};

static bool add(void *ctx, uint32_t id, struct str name)
{
	struct listing *l = ctx;

	if (glob_match(l->pattern, name))
		*vec_push(l->arena, &l->list) = (struct found){ str_dup(l->arena, name), id };
	return true;
}

static int by_name(const void *x, const void *y)
{
	const struct found *a = x, *b = y;
	int c = strcmp(a->name, b->name);

	return c ? c : a->id < b->id ? -1 : 1;
}

static uint32_t list_file(struct listing *l, const struct btf_file *f, const char *file, uint32_t kinds,
			  bool verbose)
{
	l->list.n = 0;
	btf_each(f, kinds, add, l);
	if (l->list.n)
		qsort(l->list.v, l->list.n, sizeof *l->list.v, by_name);
	for (uint32_t i = 0; i < l->list.n; i++) {
		if (!verbose) {
			printf("%s %s\n", l->word, l->list.v[i].name);
			continue;
		}
		printf("%s: ", file);
		btf_definition(l->arena, f, l->list.v[i].id, stdout);
		putchar('\n');
	}
	return l->list.n;
}

/* The kernel's, then those that its modules add. */
static bool list_files(struct listing *l, const char *file, uint32_t kinds, bool verbose, uint32_t *n)
{
	const char *why, *path = file ? file : target_path(l->arena, BTF_FOLDER "/vmlinux"), **module;
	const struct btf_file *base = btf_read(l->arena, path, NULL, &why), *f;
	uint32_t modules = file ? 0 : btf_modules(l->arena, &module);

	if (!base) {
		fprintf(stderr, "xbt: error: the kernel's types are not to be had: %s: %s\n",
			file ? file : BTF_FOLDER "/vmlinux", why);
		return false;
	}
	*n = list_file(l, base, "vmlinux", kinds, verbose);
	for (uint32_t i = 0; i < modules; i++) {
		path = target_path(l->arena, arena_printf(l->arena, BTF_FOLDER "/%s", module[i]));
		f = btf_read(l->arena, path, base, &why);
		*n += f ? list_file(l, f, module[i], kinds, verbose) : 0;
	}
	return true;
}

bool list_types(struct arena *a, const char *btf, const char *pattern, bool verbose, uint32_t *n)
{
	for (size_t i = 0; i < LEN(words); i++) {
		size_t len = strlen(words[i].word);
		struct listing l = { .arena = a, .word = words[i].word };

		if (strncmp(pattern, words[i].word, len) || pattern[len] != ' ')
			continue;
		l.pattern = str_of(pattern + len + strspn(pattern + len, " "));
		if (!list_files(&l, btf, words[i].kinds, verbose, n))
			*n = UINT32_MAX;
		return true;
	}
	return false;
}
