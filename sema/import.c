// SPDX-License-Identifier: Apache-2.0
/*
 * import "file.bt": what another script defines joins this one: its probes, macros, settings and map
 * declarations. A file is looked for beside the script that imports it, with ".bt" added if need be, and
 * read once, however often it is imported.
 *
 * Its nodes stand where the import does: that is what later messages point at. What is wrong with its
 * syntax is told with its own name and line.
 */
#include "sema/ctype.h"

#include <string.h>
#include <unistd.h>

enum { IMPORTS_MAX = 1000, FILE_MAX = 64 << 20 };

struct imports {
	struct script *s;
	VEC(struct str) done; /* paths */
	struct list probes, items;
};

static const char *folder_of(struct arena *a, const char *file)
{
	const char *slash = strrchr(file, '/');

	return slash ? arena_printf(a, "%.*s/", (int)(slash - file), file) : "";
}

/* Where the file is; NULL: nowhere. */
static const char *locate(struct arena *a, const char *importer, struct str name)
{
	const char *folder = name.len && name.s[0] == '/' ? "" : folder_of(a, importer);
	const char *plain = arena_printf(a, "%s%.*s", folder, STR_ARG(name));
	const char *script = arena_printf(a, "%s.bt", plain);

	return !access(script, R_OK) ? script : !access(plain, R_OK) ? plain : NULL;
}

static bool is_done(struct imports *m, const char *path)
{
	for (uint32_t i = 0; i < m->done.n; i++)
		if (str_is(m->done.v[i], path))
			return true;
	*vec_push(&m->s->work, &m->done) = str_of(path);
	return false;
}

static void report(struct imports *m, const struct node *at, const struct source *source,
		   const struct diag *d)
{
	for (uint32_t i = 0; i < d->list.n; i++) {
		struct position p = source_position(source, d->list.v[i].at.beg);

		diag_error(&m->s->diag, at->at, "import", "%s:%u:%u: %s", source->name, p.line, p.column,
			   d->list.v[i].text);
	}
}

static void import_items(struct imports *, struct node *items, const char *importer);

static void import_one(struct imports *m, struct node *n, const char *importer)
{
	struct script *s = m->s;
	const char *path = locate(&s->work, importer, n->str), *why = NULL;
	struct source source = { 0 };
	struct diag diag = { .arena = &s->work, .source = &source };
	struct parser p = { .arena = &s->work, .diag = &diag, .source = &source };

	if (!path) {
		diag_error(&s->diag, n->at, "import", "there is no script '%.*s' beside this one", STR_ARG(n->str));
		return;
	}
	if (is_done(m, path) || m->done.n > IMPORTS_MAX)
		return;
	p.text = source_read(&s->work, path, FILE_MAX, &why);
	if (why) {
		diag_error(&s->diag, n->at, "import", "can't read '%s': %s", path, why);
		return;
	}
	source_init(&s->work, &source, path, p.text);
	parse_program(&p);
	report(m, n, &source, &diag);
	for (struct node *k = p.probes; k; k = k->next)
		ast_move(k, &n->at);
	for (struct node *k = p.items.head; k; k = k->next)
		ast_move(k, &n->at);
	m->probes = list_join(m->probes, (struct list){ p.probes, list_last(p.probes) });
	import_items(m, p.items.head, path);
}

/* Keeps what is no import. */
static void import_items(struct imports *m, struct node *items, const char *importer)
{
	for (struct node *n = items, *next; n; n = next) {
		next = n->next;
		n->next = NULL;
		if (n->kind == N_IMPORT)
			import_one(m, n, importer);
		else
			m->items = list_add(m->items, n);
	}
}

void import(struct script *s)
{
	struct imports m = { .s = s };

	import_items(&m, s->items, s->source.name);
	s->items = m.items.head;
	m.probes = list_join(m.probes, (struct list){ s->program, list_last(s->program) });
	s->program = m.probes.head;
}
