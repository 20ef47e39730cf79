// SPDX-License-Identifier: Apache-2.0
/*
 * Names: identifiers become builtins, @names maps, $names variables.
 *
 * Variables belong to a probe and are read only after (in the text) they were assigned. Maps belong
 * to the script and may be read before. Leaves every NAME and CALL with its row of builtins.def or
 * an error, every MAP with its struct map, every VAR with its struct var.
 */
#include "sema/script.h"

struct names {
	struct script *s;
	struct probe *p;
	uint32_t loops; /* how many surround us */
};

static void resolve_node(struct node *n, void *ctx);

void walk(struct node *n, void (*visit)(struct node *, void *), void *ctx)
{
	visit(n, ctx);
	ast_children(n, visit, ctx);
}

static void unknown(struct names *c, struct span at, struct str name, const char *what, bool call)
{
	uint32_t e = diag_error(&c->s->diag, at, "unknown-name", "unknown %s '%.*s'", what,
				STR_ARG(name));
	struct near near = { .wanted = name };

	for (size_t i = 0; i < BUILTINS; i++)
		if (!call == (builtins[i].form == FORM_VAR) && i != B_argn)
			str_near(&near, str_of(builtins[i].name));
	if (near.best.len)
		diag_hint(&c->s->diag, e, "did you mean '%.*s'?", STR_ARG(near.best));
	else if (!call && table_get(&c->p->var_by_name,
				    str_of(arena_printf(&c->s->work, "$%.*s", STR_ARG(name)))))
		diag_hint(&c->s->diag, e, "variables begin with $: '$%.*s'", STR_ARG(name));
}

static void resolve_name(struct names *c, struct node *n)
{
	n->name.fn = builtin_find(n->name.name);
	if (!n->name.fn) {
		unknown(c, n->at, n->name.name, "name", false);
	} else if (n->name.fn->form != FORM_VAR) {
		uint32_t e = diag_error(&c->s->diag, n->at, "needs-call", "'%s' is a function",
					n->name.fn->name);

		diag_hint(&c->s->diag, e, "call it: %s(%s)", n->name.fn->name, n->name.fn->params);
		n->name.fn = NULL;
	} else if (n->name.fn->id == B_probe || n->name.fn->id == B_args || n->name.fn->id == B_func) {
		c->p->per_target = true;
	}
}

static void resolve_call(struct names *c, struct node *n)
{
	struct span name = { n->at.beg, n->at.beg + n->call.name.len };

	n->call.fn = builtin_find(n->call.name);
	if (!n->call.fn) {
		unknown(c, name, n->call.name, "function", true);
	} else if (n->call.fn->form == FORM_VAR) {
		if (n->call.args) {
			diag_error(&c->s->diag, n->call.args->at, "arg-count", "'%s' takes no arguments",
				   n->call.fn->name);
			return;
		}
		/* pid() is pid; both begin with their name and their row. */
		n->kind = N_NAME;
		resolve_name(c, n);
	}
}

static struct map *map_of(struct names *c, struct str name, struct span at)
{
	struct map *m = table_get(&c->s->map_by_name, name);

	if (m)
		return m;
	m = arena_alloc(&c->s->arena, sizeof *m);
	m->name = str_of(str_dup(&c->s->arena, name));
	m->id = c->s->maps.n;
	m->at = at;
	*vec_push(&c->s->arena, &c->s->maps) = m;
	table_set(&c->s->work, &c->s->map_by_name, m->name, m);
	return m;
}

static struct var *declare(struct names *c, struct node *n)
{
	struct var *v = table_get(&c->p->var_by_name, n->var.name);

	if (v)
		return v;
	v = arena_alloc(&c->s->work, sizeof *v);
	v->name = n->var.name;
	v->first = n->at;
	v->id = c->p->vars.n;
	*vec_push(&c->s->arena, &c->p->vars) = v;
	table_set(&c->s->work, &c->p->var_by_name, v->name, v);
	return v;
}

static void resolve_var(struct names *c, struct node *n)
{
	struct near near = { .wanted = n->var.name };
	uint32_t e;

	n->var.var = table_get(&c->p->var_by_name, n->var.name);
	if (n->var.var)
		return;
	e = diag_error(&c->s->diag, n->at, "undefined-variable", "%.*s is read before it is assigned",
		       STR_ARG(n->var.name));
	for (uint32_t i = 0; i < c->p->vars.n; i++)
		str_near(&near, c->p->vars.v[i]->name);
	if (near.best.len)
		diag_hint(&c->s->diag, e, "did you mean %.*s?", STR_ARG(near.best));
	n->var.var = declare(c, n); /* reported once */
	n->var.var->type = &type_error;
}

static void resolve_assign(struct names *c, struct node *n)
{
	resolve_node(n->bin.r, c);
	if (n->bin.l->kind == N_VAR && !n->bin.compound)
		n->bin.l->var.var = declare(c, n->bin.l);
	else
		resolve_node(n->bin.l, c);
}

static void resolve_loop(struct names *c, struct node *n)
{
	c->loops += n->kind == N_WHILE;
	ast_children(n, resolve_node, c);
	c->loops -= n->kind == N_WHILE;
}

static void resolve_node(struct node *n, void *ctx)
{
	struct names *c = ctx;

	switch (n->kind) {
	case N_NAME:
		resolve_name(c, n);
		return;
	case N_CALL:
		resolve_call(c, n);
		break;
	case N_MAP:
		n->map.map = map_of(c, n->map.name, n->at);
		break;
	case N_VAR:
		resolve_var(c, n);
		return;
	case N_NPARAMS:
		c->s->counts_params = true;
		return;
	case N_ASSIGN:
		resolve_assign(c, n);
		return;
	case N_WHILE:
	case N_UNROLL:
		resolve_loop(c, n);
		return;
	case N_BREAK:
	case N_CONTINUE:
		if (!c->loops)
			diag_error(&c->s->diag, n->at, "loop", "'%s' outside of a while loop",
				   n->kind == N_BREAK ? "break" : "continue");
		return;
	default:
		break;
	}
	if (n->kind != N_NAME)
		ast_children(n, resolve_node, c);
}

void resolve(struct script *s)
{
	for (uint32_t i = 0; i < s->probes.n; i++) {
		struct names c = { .s = s, .p = s->probes.v[i] };

		if (c.p->node->probe.pred)
			resolve_node(c.p->node->probe.pred, &c);
		for (struct node *n = c.p->node->probe.body; n; n = n->next)
			resolve_node(n, &c);
	}
}
