// SPDX-License-Identifier: Apache-2.0
/*
 * Macros: each call is replaced by a copy of the macro's body, before names mean anything.
 *
 * A parameter $v or @m stands for the variable or map that the caller gives, so assignments reach the
 * caller; a plain name stands for the caller's expression, evaluated at each use. Variables of the
 * body are the call's own: they get names that no script can write. A body touches only the maps
 * that it is given.
 *
 * Macros of one name differ in number and kinds of their parameters. What no script defines may stand
 * in prelude.bt, which is read when the first unknown function is called; messages about what it says
 * stand where it was called.
 */
#include "sema/ctype.h"

#include <string.h>

static const char prelude_text[] =
#include "sema/prelude.h"
;

enum { EXPANSIONS_NESTED = 64, EXPANSIONS_MAX = 100000, NODES_MAX = 2000000 };

struct macros {
	struct script *s;
	struct table by_name; /* of N_MACRO nodes; those of one name hang together by `next` */
	struct table prelude; /* the same, of prelude.bt; empty: not read yet */
	struct table defines; /* the same, of #define */
	uint32_t calls, nested, nodes; /* so far; within each other; made by them */
	bool exhausted; /* reported */
};

enum origin { OWN, PRELUDE, DEFINE };

/* One call that is being expanded. */
struct expansion {
	struct macros *m;
	const struct node *macro, *args;
	uint32_t call; /* its number: makes the names of its variables */
	enum origin origin;
	struct span at;
};

static uint32_t length(const struct node *list)
{
	uint32_t n = 0;

	for (; list; list = list->next)
		n++;
	return n;
}

/* Once is enough: nothing is expanded any more. */
static void give_up(struct macros *m, struct span at, const char *why)
{
	if (!m->exhausted)
		diag_error(&m->s->diag, at, "macro-nesting", "%s", why);
	m->exhausted = m->s->hopeless = true;
}

static void count(struct node *n, void *nodes)
{
	++*(uint32_t *)nodes;
	ast_children(n, count, nodes);
}

static struct node *copy(struct macros *m, const struct node *n)
{
	struct node *c = ast_clone(&m->s->work, n);

	count(c, &m->nodes);
	return c;
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
		/* What is passed on may double with each macro. */
		if (x->m->nodes < NODES_MAX)
			*link = copy(x->m, arg);
		else
			give_up(x->m, x->at, "macro calls that stand for too much text");
		return; /* the caller's expression is no business of the macro's */
	}
	if (x->origin != OWN)
		n->at = x->at;
	if (n->kind == N_VAR && x->origin != DEFINE)
		n->var.name = arg ? arg->var.name : own_name(x, n->var.name);
	else if (n->kind == N_MAP && arg)
		n->map.name = arg->map.name;
	else if (n->kind == N_MAP && x->origin != DEFINE)
		diag_error(&x->m->s->diag, n->at, "macro-map", "macro '%.*s' is not given %.*s",
			   STR_ARG(x->macro->macro.name), STR_ARG(n->map.name));
	ast_links(n, substitute, ctx);
}

/* A copy of the body, as the value of an expression. */
static struct node *body_of(struct expansion *x, struct span at)
{
	struct node *body = copy(x->m, x->macro->macro.body);
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

/* A name takes any expression. */
static bool takes(const struct node *param, const struct node *arg)
{
	return param->kind == N_NAME || (param->kind == arg->kind && !(param->kind == N_MAP && arg->map.key));
}

static bool check_arguments(struct macros *m, const struct node *macro, const struct node *args)
{
	const struct node *p = macro->macro.params;
	bool fine = true;

	for (; p; p = p->next, args = args->next) {
		const char *wanted = p->kind == N_VAR ? "a variable" : "a map (without key)";

		if (takes(p, args))
			continue;
		diag_error(&m->s->diag, args->at, "macro-arg", "%.*s of macro '%.*s' stands for %s",
			   STR_ARG(p->name.name), STR_ARG(macro->macro.name), wanted);
		fine = false;
	}
	return fine;
}

/* How well a macro fits: 0 not at all, 1 in the number of its arguments, from 2 on in their kinds; the
 * more of them it wants by reference, the better. */
static uint32_t fit(const struct node *macro, const struct node *args)
{
	uint32_t by_reference = 0;

	if (length(macro->macro.params) != length(args))
		return 0;
	for (const struct node *p = macro->macro.params; p; p = p->next, args = args->next) {
		if (!takes(p, args))
			return 1;
		by_reference += p->kind != N_NAME;
	}
	return 2 + by_reference;
}

static void add_macro(struct macros *, struct table *, const struct node *);

static void read_prelude(struct macros *m)
{
	struct source source = { 0 };
	struct parser p = { .arena = &m->s->work, .diag = &m->s->diag, .source = &source };

	source_init(&m->s->work, &source, "prelude.bt", str_of(prelude_text));
	p.text = source.text;
	parse_program(&p);
	for (const struct node *n = p.items.head; n; n = n->next)
		add_macro(m, &m->prelude, n);
}

/* A word that takes no argument may be a macro that does: comm and comm(1). */
static bool is_builtin(const struct node *call)
{
	const struct builtin *fn = builtin_find(call->name.name);

	return fn && !(call->kind == N_CALL && call->call.args && fn->form == FORM_VAR && !*fn->params);
}

/* ---- #define ---------------------------------------------------------------------------- */

static struct node *node_of(struct macros *m, enum node_kind kind, struct span at)
{
	struct node *n = arena_alloc(&m->s->work, sizeof *n);

	n->kind = kind;
	n->at = at;
	return n;
}

/* What it stands for, as an expression of its parameters. NULL: reported. */
static struct node *define_body(struct macros *m, const struct node *call, const struct cmacro *define)
{
	struct str text = define->text;
	const char *error = NULL;
	struct node *e = NULL;

	if (define->variadic || memchr(text.s, '#', text.len))
		error = "it quotes, joins or passes on its arguments; only another #define can call it";
	else if (cpp_expand(m->s, &text, &error) && !(e = parse_expression(m->s, text, call->at)))
		error = arena_printf(&m->s->work, "it stands for '%.*s', which is no expression", STR_ARG(text));
	if (error)
		diag_error(&m->s->diag, call->at, "define-call", "'%.*s' can't be called here: %s",
			   STR_ARG(call->name.name), error);
	return e;
}

/* A macro of #define's as one of the script's own: its arguments are expressions, as a whole. */
static const struct node *define_of(struct macros *m, const struct node *call)
{
	const struct cmacro *define = call->kind == N_CALL ? cpp_function(m->s, call->name.name) : NULL;
	struct node *macro = define ? table_get(&m->defines, call->name.name) : NULL, *e;
	struct list params = { 0 };

	if (!define || macro)
		return macro;
	e = define_body(m, call, define);
	macro = node_of(m, N_MACRO, call->at);
	macro->macro.name = call->name.name;
	for (uint32_t i = 0; i < define->params.n; i++) {
		struct node *p = node_of(m, N_NAME, call->at);

		p->name.name = define->params.v[i];
		params = list_add(params, p);
	}
	macro->macro.params = params.head;
	macro->macro.body = node_of(m, N_VALUE, call->at);
	macro->macro.body->block.value = e ? e : node_of(m, N_NUM, call->at);
	table_set(&m->s->work, &m->defines, call->name.name, macro);
	return macro;
}

static const struct node *macros_of(struct macros *m, const struct node *call, enum origin *origin)
{
	const struct node *own = table_get(&m->by_name, call->name.name);

	*origin = OWN;
	if (own || is_builtin(call))
		return own;
	*origin = DEFINE;
	own = define_of(m, call);
	if (own)
		return own;
	*origin = PRELUDE;
	if (!m->prelude.n)
		read_prelude(m);
	return table_get(&m->prelude, call->name.name);
}

static const struct node *choose(struct macros *m, const struct node *call, const struct node *args,
				 enum origin *origin)
{
	const struct node *macro = macros_of(m, call, origin), *best = NULL;

	for (const struct node *n = macro; n; n = n->next)
		if (fit(n, args) > (best ? fit(best, args) : 0))
			best = n;
	if (best)
		return best;
	if (macro)
		diag_error(&m->s->diag, call->at, "macro-count", "macro '%.*s' takes %u argument%s, %u given",
			   STR_ARG(call->name.name), length(macro->macro.params),
			   length(macro->macro.params) == 1 ? "" : "s", length(args));
	return NULL;
}

static bool too_deep(struct macros *m, const struct node *call)
{
	struct arena *a = &m->s->work;

	if (m->calls >= EXPANSIONS_MAX)
		give_up(m, call->at, arena_printf(a, "more than %d macro calls", EXPANSIONS_MAX));
	else if (m->nested >= EXPANSIONS_NESTED)
		give_up(m, call->at,
			arena_printf(a, "macros that call each other more than %d deep: does '%.*s' call itself?",
				     EXPANSIONS_NESTED, STR_ARG(call->name.name)));
	return m->exhausted;
}

static void expand_calls(struct node **link, void *ctx)
{
	struct macros *m = ctx;
	struct node *n = *link;
	const struct node *args = n->kind == N_CALL ? n->call.args : NULL, *macro;
	struct expansion x;
	enum origin origin;
	uint32_t errors;

	ast_links(n, expand_calls, m);
	if (n->kind != N_CALL && n->kind != N_NAME)
		return;
	errors = m->s->diag.nerror;
	macro = choose(m, n, args, &origin);
	if (!macro || !check_arguments(m, macro, args) || too_deep(m, n)) {
		if (n->kind == N_CALL)
			n->call.reported = m->s->diag.nerror > errors;
		return;
	}
	x = (struct expansion){ m, macro, args, ++m->calls, origin, n->at };
	*link = body_of(&x, n->at);
	(*link)->comptime = n->comptime;
	m->nested++;
	ast_links(*link, expand_calls, m);
	m->nested--;
}

static bool same_params(const struct node *a, const struct node *b)
{
	for (; a && b && a->kind == b->kind; a = a->next)
		b = b->next;
	return !a && !b;
}

static void check_params(struct macros *m, const struct node *params)
{
	for (const struct node *p = params; p; p = p->next)
		for (const struct node *q = params; q != p; q = q->next)
			if (str_eq(p->name.name, q->name.name)) {
				diag_error(&m->s->diag, p->at, "macro-param", "a second parameter '%.*s'",
					   STR_ARG(p->name.name));
				break;
			}
}

static void add_macro(struct macros *m, struct table *table, const struct node *n)
{
	struct node *copy = ast_clone(&m->s->work, n), *first = table_get(table, n->macro.name);

	copy->next = first;
	for (; first; first = first->next)
		if (same_params(first->macro.params, n->macro.params)) {
			diag_error(&m->s->diag, n->at, "macro-again",
				   "a second macro '%.*s' with the same parameters", STR_ARG(n->macro.name));
			return;
		}
	table_set(&m->s->work, table, n->macro.name, copy);
}

void macros(struct script *s)
{
	struct macros m = { .s = s };

	for (const struct node *n = s->items; n; n = n->next)
		if (n->kind == N_MACRO) {
			check_params(&m, n->macro.params);
			add_macro(&m, &m.by_name, n);
		}
	for (struct node *n = s->program; n; n = n->next)
		ast_links(n, expand_calls, &m);
}
