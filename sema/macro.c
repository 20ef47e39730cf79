// SPDX-License-Identifier: Apache-2.0
/*
 * Macros: each call is replaced by a copy of the macro's body, before names mean anything.
 *
 * A parameter $v or @m stands for the variable or map that the caller gives, so assignments reach the
 * caller; a plain name stands for the caller's expression, evaluated at each use. Variables of the
 * body are the call's own: they get names that no script can write. A body touches only the maps
 * that it is given.
 */
#include "sema/script.h"

enum { EXPANSIONS_NESTED = 64, EXPANSIONS_MAX = 100000 };

struct macros {
	struct script *s;
	struct table by_name; /* of N_MACRO nodes; those of one name hang together by `next` */
	uint32_t calls, nested;
	bool exhausted; /* reported */
};

/* One call that is being expanded. */
struct expansion {
	struct macros *m;
	const struct node *macro, *args;
	uint32_t call; /* its number: makes the names of its variables */
};

static uint32_t length(const struct node *list)
{
	uint32_t n = 0;

	for (; list; list = list->next)
		n++;
	return n;
}

/* ---- the body --------------------------------------------------------------------------- */

/* What the call gives for a parameter of that kind and name; NULL if it is none. */
static const struct node *argument_of(const struct expansion *x, const struct node *n)
{
	const struct node *arg = x->args;

	for (const struct node *p = x->macro->macro.params; p && arg; p = p->next, arg = arg->next)
		if (p->kind == n->kind && str_eq(p->name.name, n->name.name))
			return arg;
	return NULL;
}

/* The number stands behind a zero byte: no script can write the name, and messages end before it. */
static struct str own_name(const struct expansion *x, struct str name)
{
	const char *text = arena_printf(&x->m->s->work, "%.*s%c%u", STR_ARG(name), 0, x->call);
	uint32_t digits = 1;

	for (uint32_t n = x->call; n >= 10; n /= 10)
		digits++;
	return (struct str){ text, name.len + 1 + digits };
}

static void substitute(struct node **link, void *ctx)
{
	const struct expansion *x = ctx;
	struct node *n = *link;
	const struct node *arg = n->kind == N_VAR || n->kind == N_MAP || n->kind == N_NAME
					 ? argument_of(x, n) : NULL;

	if (n->kind == N_NAME && arg) {
		*link = ast_clone(&x->m->s->work, arg);
		return; /* the caller's expression is no business of the macro's */
	}
	if (n->kind == N_VAR)
		n->var.name = arg ? arg->var.name : own_name(x, n->var.name);
	else if (n->kind == N_MAP && arg)
		n->map.name = arg->map.name;
	else if (n->kind == N_MAP)
		diag_error(&x->m->s->diag, n->at, "macro-map", "macro '%.*s' is not given %.*s",
			   STR_ARG(x->macro->macro.name), STR_ARG(n->map.name));
	ast_links(n, substitute, ctx);
}

/* A copy of the body, as the value of an expression. */
static struct node *body_of(struct expansion *x, struct span at)
{
	struct node *body = ast_clone(&x->m->s->work, x->macro->macro.body);
	struct node *list = body->list;

	if (body->kind == N_BLOCK) {
		body->kind = N_VALUE;
		body->block.list = list;
		body->block.value = NULL;
	}
	ast_links(body, substitute, x);
	body->at = at;
	return body;
}

/* ---- calls ------------------------------------------------------------------------------ */

static void expand_calls(struct node **, void *);

static bool check_arguments(struct macros *m, const struct node *macro, const struct node *args)
{
	const struct node *p = macro->macro.params;
	bool fine = true;

	for (; p; p = p->next, args = args->next) {
		const char *wanted = p->kind == N_VAR ? "a variable" : "a map (without key)";

		if (p->kind == N_NAME || (p->kind == args->kind && !(p->kind == N_MAP && args->map.key)))
			continue;
		diag_error(&m->s->diag, args->at, "macro-arg", "%.*s of macro '%.*s' stands for %s",
			   STR_ARG(p->name.name), STR_ARG(macro->macro.name), wanted);
		fine = false;
	}
	return fine;
}

/* Macros of one name differ in how many parameters they have. */
static const struct node *choose(struct macros *m, const struct node *call, const struct node *args)
{
	const struct node *macro = table_get(&m->by_name, call->name.name);

	for (const struct node *n = macro; n; n = n->next)
		if (length(n->macro.params) == length(args))
			return n;
	if (macro)
		diag_error(&m->s->diag, call->at, "macro-count", "macro '%.*s' takes %u argument%s, %u given",
			   STR_ARG(call->name.name), length(macro->macro.params),
			   length(macro->macro.params) == 1 ? "" : "s", length(args));
	return NULL;
}

static bool too_deep(struct macros *m, const struct node *call)
{
	if (m->nested < EXPANSIONS_NESTED && m->calls < EXPANSIONS_MAX)
		return false;
	if (!m->exhausted && m->calls < EXPANSIONS_MAX)
		diag_error(&m->s->diag, call->at, "macro-nesting",
			   "macros that call each other more than %d deep: does '%.*s' call itself?",
			   EXPANSIONS_NESTED, STR_ARG(call->name.name));
	else if (!m->exhausted)
		diag_error(&m->s->diag, call->at, "macro-nesting", "more than %d macro calls",
			   EXPANSIONS_MAX);
	m->exhausted = true;
	return true;
}

static void expand_calls(struct node **link, void *ctx)
{
	struct macros *m = ctx;
	struct node *n = *link;
	const struct node *args = n->kind == N_CALL ? n->call.args : NULL, *macro;
	struct expansion x;

	ast_links(n, expand_calls, m);
	if (n->kind != N_CALL && n->kind != N_NAME)
		return;
	macro = choose(m, n, args);
	if (!macro || !check_arguments(m, macro, args) || too_deep(m, n) || m->exhausted)
		return;
	x = (struct expansion){ m, macro, args, ++m->calls };
	*link = body_of(&x, n->at);
	m->nested++;
	ast_links(*link, expand_calls, m);
	m->nested--;
}

static void add_macro(struct macros *m, const struct node *n)
{
	struct node *copy = ast_clone(&m->s->work, n), *first = table_get(&m->by_name, n->macro.name);

	copy->next = first;
	for (; first; first = first->next)
		if (length(first->macro.params) == length(n->macro.params)) {
			diag_error(&m->s->diag, n->at, "macro-again", "a second macro '%.*s' with %u parameter%s",
				   STR_ARG(n->macro.name), length(n->macro.params),
				   length(n->macro.params) == 1 ? "" : "s");
			return;
		}
	table_set(&m->s->work, &m->by_name, n->macro.name, copy);
}

void macros(struct script *s)
{
	struct macros m = { .s = s };

	for (const struct node *n = s->items; n; n = n->next)
		if (n->kind == N_MACRO)
			add_macro(&m, n);
	if (!m.by_name.n)
		return;
	for (struct node *n = s->program; n; n = n->next)
		ast_links(n, expand_calls, &m);
}
