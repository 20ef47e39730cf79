// SPDX-License-Identifier: Apache-2.0
/*
 * Names: identifiers become builtins, @names maps, $names variables.
 *
 * Variables belong to the block that first assigns them, and are read only after that (in the text).
 * Older scripts read them behind the block, too: then all of that name whose blocks have ended are
 * one variable, of the probe. Maps belong to the script and may be read before. Leaves every NAME and
 * CALL with its row of builtins.def or an error, every MAP with its struct map, every VAR with its
 * struct var.
 */
#include "sema/ctype.h"

#include <string.h>

/* All variables of one name. */
struct homonyms {
	struct var *open;   /* of the blocks that surround us, the innermost first */
	struct var *closed; /* of blocks that have ended */
};

struct names {
	struct script *s;
	struct probe *p;
	uint32_t loops; /* how many surround us */
	uint32_t comptime; /* the same */
	struct table by_name; /* of struct homonyms */
	struct var *block;    /* the variables of the innermost block */
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
		if ((!call == (builtins[i].form == FORM_VAR) || builtins[i].form == FORM_BOTH) && i != B_argn)
			str_near(&near, str_of(builtins[i].name));
	if (!call)
		constant_near(&near);
	if (near.best.len)
		diag_hint(&c->s->diag, e, "did you mean '%.*s'?", STR_ARG(near.best));
	else if (!call && table_get(&c->by_name,
				    str_of(arena_printf(&c->s->work, "$%.*s", STR_ARG(name)))))
		diag_hint(&c->s->diag, e, "variables begin with $: '$%.*s'", STR_ARG(name));
}

/* A name of a constant becomes its value. */
static bool resolve_constant(struct names *c, struct node *n)
{
	const struct ctype_constant *constant = ctype_constant(c->s, n->name.name);

	if (!constant)
		return false;
	n->kind = N_NUM;
	n->num = (uint64_t)constant->value;
	n->of = constant->of;
	return true;
}

static bool differs(const struct probe *p, uint32_t what)
{
	for (uint32_t i = 0; i < p->points.n; i++)
		if (p->points.v[i].kind->differs & what)
			return true;
	return false;
}

/* What is another value, or elsewhere, in each target? */
static void note_differing(struct probe *p, enum builtin_id id)
{
	p->per_target |= id == B_args || (id == B_argn && differs(p, HAS_ARGN));
	p->named |= id == B_probe || (id == B_func && differs(p, HAS_FUNC));
}

enum { EXPANSIONS_NESTED = 32, EXPANSIONS_MAX = 100000 };

/* A name of a macro becomes the expression that it stands for. */
static bool resolve_define(struct names *c, struct node *n)
{
	struct ctypes *t = &c->s->ctypes;
	struct node *next = n->next, *e;
	struct str text, name = n->name.name;
	const char *error;

	if (!cpp_macro(c->s, name, &text))
		return false;
	if (!cpp_expand(c->s, &text, &error)) {
		diag_error(&c->s->diag, n->at, "define-call", "in '%.*s': %s", STR_ARG(name), error);
		return true;
	}
	if (t->nested == EXPANSIONS_NESTED || ++t->expansions > EXPANSIONS_MAX) {
		if (t->expansions <= EXPANSIONS_MAX + 1)
			diag_error(&c->s->diag, n->at, "define-nesting",
				   "'%.*s' is made of too many other names: does it contain itself?",
				   STR_ARG(name));
		t->expansions = EXPANSIONS_MAX + 1;
		return true;
	}
	e = parse_expression(c->s, text, n->at);
	if (!e) {
		diag_error(&c->s->diag, n->at, "define", "'%.*s' stands for '%.*s', which is no expression",
			   STR_ARG(name), STR_ARG(text));
		return true;
	}
	*n = *e;
	n->next = next;
	t->nested++;
	resolve_node(n, c);
	t->nested--;
	return true;
}

/* Known while compiling, if the probe is of one type. */
static bool resolve_probetype(const struct names *c, struct node *n)
{
	const struct probe *p = c->p;

	for (uint32_t i = 1; i < p->points.n; i++)
		if (p->points.v[i].kind != p->points.v[0].kind)
			return false;
	if (!p->points.n)
		return false;
	n->kind = N_STRING;
	n->str = probe_kind_type(p->points.v[0].kind);
	return true;
}

static void resolve_name(struct names *c, struct node *n)
{
	n->name.fn = builtin_find(n->name.name);
	if (!n->name.fn) {
		if (resolve_define(c, n) || resolve_constant(c, n))
			return;
		unknown(c, n->at, n->name.name, "name", false);
	} else if (n->name.fn->form == FORM_BOTH) {
		n->kind = N_CALL; /* both begin with their name and their row */
		n->call.args = NULL;
	} else if (n->name.fn->form != FORM_VAR) {
		uint32_t e = diag_error(&c->s->diag, n->at, "needs-call", "'%s' is a function",
					n->name.fn->name);

		diag_hint(&c->s->diag, e, "call it: %s(%s)", n->name.fn->name, n->name.fn->params);
		n->name.fn = NULL;
	} else if (!c->comptime || n->name.fn->id != B_probetype || !resolve_probetype(c, n)) {
		note_differing(c->p, n->name.fn->id);
	}
}

/* A stack's mode is a word that only stacks know. */
static void resolve_modes(struct node *arg)
{
	for (; arg; arg = arg->next)
		if (arg->kind == N_NAME && !builtin_find(arg->name.name)) {
			struct str word = arg->name.name;

			arg->kind = N_STRING;
			arg->str = word;
		}
}

static void resolve_call(struct names *c, struct node *n)
{
	struct span name = { n->at.beg, n->at.beg + n->call.name.len };

	n->call.fn = builtin_find(n->call.name);
	if (!n->call.fn) {
		if (!n->call.reported)
			unknown(c, name, n->call.name, "function", true);
	} else if (n->call.fn->id == B_uaddr) {
		c->p->per_target = true;
	} else if (n->call.fn->form == FORM_BOTH) {
		resolve_modes(n->call.args);
	} else if (n->call.fn->form == FORM_VAR) {
		if (n->call.args && n->call.fn->params[0])
			return;
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

struct map *script_map(struct script *s, struct str name, struct span at)
{
	struct map *m = table_get(&s->map_by_name, name);

	if (m)
		return m;
	m = arena_alloc(&s->arena, sizeof *m);
	m->name = str_of(str_dup(&s->arena, name));
	m->id = s->maps.n;
	m->at = at;
	*vec_push(&s->arena, &s->maps) = m;
	table_set(&s->work, &s->map_by_name, m->name, m);
	return m;
}

/* ---- variables -------------------------------------------------------------------------- */

static struct homonyms *homonyms_of(struct names *c, struct str name)
{
	struct homonyms *h = table_get(&c->by_name, name);

	if (!h) {
		h = arena_alloc(&c->s->work, sizeof *h);
		table_set(&c->s->work, &c->by_name, name, h);
	}
	return h;
}

static struct var *declare(struct names *c, struct homonyms *h, const struct node *n)
{
	struct var *v = arena_alloc(&c->s->work, sizeof *v);

	*v = (struct var){ .name = n->var.name, .first = n->at, .next = h->open, .sibling = c->block };
	h->open = c->block = v;
	*vec_push(&c->s->arena, &c->p->vars) = v;
	return v;
}

/* A block ends: its variables are out of sight. */
static void close_block(struct names *c, struct var *outer)
{
	for (struct var *v = c->block; v; v = v->sibling) {
		struct homonyms *h = homonyms_of(c, v->name);

		h->open = v->next;
		v->next = h->closed;
		h->closed = v;
	}
	c->block = outer;
}

/* Those of ended blocks become one, which is in sight until the probe's end. */
static struct var *reopen(struct homonyms *h)
{
	struct var *one = h->closed;

	for (struct var *v = one->next; v; v = v->next) {
		v->same = one;
		if (v->first.beg < one->first.beg)
			one->first = v->first;
	}
	one->next = NULL;
	h->closed = NULL;
	h->open = one;
	return one;
}

static void resolve_var(struct names *c, struct node *n)
{
	struct homonyms *h = homonyms_of(c, n->var.name);
	struct near near = { .wanted = n->var.name };
	uint32_t e;

	n->var.var = h->open ? h->open : h->closed ? reopen(h) : NULL;
	if (n->var.var)
		return;
	e = diag_error(&c->s->diag, n->at, "undefined-variable", "%.*s is read before it is assigned",
		       STR_ARG(n->var.name));
	for (uint32_t i = 0; i < c->p->vars.n; i++)
		str_near(&near, c->p->vars.v[i]->name);
	if (near.best.len)
		diag_hint(&c->s->diag, e, "did you mean %.*s?", STR_ARG(near.best));
	n->var.var = declare(c, h, n); /* reported once */
	n->var.var->type = &type_error;
}

static void resolve_new_var(struct names *c, struct node *n)
{
	struct homonyms *h = homonyms_of(c, n->var.name);
	uint32_t e;

	n->var.var = h->open;
	if (!h->open) {
		n->var.var = declare(c, h, n);
		return;
	}
	e = diag_error(&c->s->diag, n->at, "shadow", "there is a variable %.*s already",
		       STR_ARG(n->var.name));
	diag_hint(&c->s->diag, e, "it begins on line %u; blocks can't have others of its name",
		  source_position(&c->s->source, h->open->first.beg).line);
}

static void resolve_assign(struct names *c, struct node *n)
{
	struct homonyms *h;

	resolve_node(n->bin.r, c);
	if (n->bin.l->kind != N_VAR || n->bin.compound) {
		resolve_node(n->bin.l, c);
		return;
	}
	h = homonyms_of(c, n->bin.l->var.name);
	n->bin.l->var.var = h->open ? h->open : declare(c, h, n->bin.l);
}

/* ---- types ------------------------------------------------------------------------------ */

static void resolve_cast(struct names *c, struct node *n)
{
	if (n->cast.of)
		resolve_node(n->cast.of, c);
	else
		n->cast.to = ctype_parse(c->s, n->cast.name, n->at.beg + 1);
	resolve_node(n->cast.e, c);
}

static void becomes_number(struct node *n, uint64_t v)
{
	n->kind = N_NUM;
	n->num = v;
	n->of = NULL;
}

/* A typedef, or what a macro says. */
static const struct type *type_of_name(struct names *c, struct str name, struct span at)
{
	struct creader r;
	struct str text;

	if (!cpp_macro(c->s, name, &text))
		return ctype_typedef(c->s, name);
	cread_begin(&r, c->s, text, at.beg);
	return cdecl_is_type(&r) ? ctype_parse(c->s, text, at.beg) : NULL;
}

/* sizeof(x): a type's name, if it is nothing else. */
static void resolve_sizeof(struct names *c, struct node *n)
{
	const struct node *e = n->cast.e;
	const struct type *t = NULL;

	if (!e)
		t = ctype_parse(c->s, n->cast.name, n->at.beg + 1 + (uint32_t)strlen("sizeof"));
	else if (e->kind == N_NAME && !builtin_find(e->name.name))
		t = type_of_name(c, e->name.name, e->at);
	if (t) {
		ctype_complete(c->s, t);
		becomes_number(n, t->size);
	} else if (e) {
		resolve_node(n->cast.e, c);
	} else {
		becomes_number(n, 0); /* of a type that isn't there */
	}
}

static bool path_step(struct names *c, const struct node *n, struct str name, const struct type **t,
		      uint64_t *offset)
{
	const struct field *f = NULL;

	ctype_complete(c->s, *t);
	if ((*t)->kind == T_STRUCT)
		f = type_field(*t, name);
	if (!f) {
		field_missing(c->s, n->at, *t, name);
		return false;
	}
	if (f->bits)
		diag_error(&c->s->diag, n->at, "offsetof", "'%.*s' is a bitfield: it has no offset in bytes",
			   STR_ARG(name));
	*t = f->type;
	*offset += f->offset;
	return true;
}

/* Adds up where a.b[2].c is in *t, and leaves its type there. */
static bool path_offset(struct names *c, struct node *n, const struct type **t, uint64_t *offset)
{
	int64_t i;

	if (n->kind == N_NAME)
		return path_step(c, n, n->name.name, t, offset);
	if (n->kind == N_MEMBER)
		return path_offset(c, n->member.base, t, offset) &&
		       path_step(c, n, n->member.name, t, offset);
	if (n->kind == N_INDEX && const_value(c->s, n->bin.r, &i)) {
		if (!path_offset(c, n->bin.l, t, offset))
			return false;
		if ((*t)->kind == T_STRING)
			*t = &type_int8;
		else if ((*t)->kind == T_ARRAY)
			*t = (*t)->of;
		*offset += (uint64_t)i * (*t)->size;
		return true;
	}
	diag_error(&c->s->diag, n->at, "offsetof", "offsetof() goes to a field: a.b[2].c");
	return false;
}

static void resolve_offsetof(struct names *c, struct node *n)
{
	const struct type *t = ctype_parse(c->s, n->cast.name, n->at.beg);
	uint64_t offset = 0;

	if (t)
		path_offset(c, n->cast.e, &t, &offset);
	becomes_number(n, offset);
}

static void resolve_let(struct names *c, struct node *n)
{
	struct var *v;

	/* Its value is computed before it is there. */
	if (n->let.assign)
		resolve_node(n->let.assign->bin.r, c);
	resolve_new_var(c, n->let.var);
	v = n->let.var->var.var;
	if (n->let.assign)
		n->let.assign->bin.l->var.var = v;
	v->declared = n->let.of || n->let.type.len;
	if (n->let.of)
		resolve_node(n->let.of, c);
	if (!n->let.type.len)
		return;
	v->type = ctype_parse(c->s, n->let.type, n->let.at.beg);
	if (!v->type)
		v->type = &type_error;
	ctype_complete(c->s, v->type);
}

/* ---- blocks ----------------------------------------------------------------------------- */

static void resolve_block(struct names *c, struct node *list, struct node *value)
{
	struct var *outer = c->block;

	c->block = NULL;
	for (; list; list = list->next)
		resolve_node(list, c);
	if (value)
		resolve_node(value, c);
	close_block(c, outer);
}

static void resolve_if(struct names *c, struct node *n)
{
	resolve_node(n->cond.test, c);
	comptime_choose(c->s, n);
	resolve_block(c, n->cond.then, NULL);
	resolve_block(c, n->cond.els, NULL);
}

static void resolve_for(struct names *c, struct node *n)
{
	struct var *outer = c->block;

	resolve_node(n->loop.test, c);
	if (n->loop.end)
		resolve_node(n->loop.end, c);
	c->block = NULL;
	resolve_new_var(c, n->loop.var);
	c->loops++;
	resolve_block(c, n->loop.body, NULL);
	c->loops--;
	close_block(c, outer);
}

static void resolve_loop(struct names *c, struct node *n)
{
	resolve_node(n->loop.test, c);
	c->loops += n->kind == N_WHILE;
	resolve_block(c, n->loop.body, NULL);
	c->loops -= n->kind == N_WHILE;
}

/* args.$2: the field is the one that the parameter names. args->data_loc_x was args->x until 2020. */
static void resolve_field(struct names *c, struct node *n)
{
	static const char old[] = "data_loc_";
	const struct node *base = n->member.base;
	struct str digits = { n->member.name.s + 1, n->member.name.len - 1 }, name;
	uint64_t number = 0;

	if (base->kind == N_NAME && str_is(base->name.name, "args") && str_starts(n->member.name, old))
		n->member.name = (struct str){ n->member.name.s + strlen(old),
					       n->member.name.len - (uint32_t)strlen(old) };
	if (n->member.name.s[0] != '$' || !str_to_u64(digits, &number))
		return;
	name = param_text(c->s, number);
	if (name.len)
		n->member.name = name;
	else
		diag_error(&c->s->diag, n->at, "field-param", "$%.*s is to name a field, and is not given",
			   STR_ARG(digits));
}

/* What stands in nsecs(boot) is a word that only nsecs knows. Anything else there is an error still to be
 * told, but means what it means elsewhere. */
static void resolve_words(struct names *c, struct node *args)
{
	for (struct node *arg = args; arg; arg = arg->next)
		if (arg->kind != N_NAME)
			resolve_node(arg, c);
}

static void resolve_cond(struct names *c, struct node *n)
{
	resolve_node(n->cond.test, c);
	if (comptime_choose(c->s, n)) {
		resolve_node(n, c);
		return;
	}
	resolve_node(n->cond.then, c);
	resolve_node(n->cond.els, c);
}

static void resolve_kind(struct names *c, struct node *n)
{
	switch (n->kind) {
	case N_MEMBER:
		resolve_field(c, n);
		break;
	case N_NAME:
		resolve_name(c, n);
		return;
	case N_CALL:
		resolve_call(c, n);
		if (n->kind == N_CALL && n->call.fn && n->call.fn->form == FORM_VAR) {
			resolve_words(c, n->call.args);
			return;
		}
		break;
	case N_MAP:
		n->map.map = script_map(c->s, n->map.name, n->at);
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
	case N_FOR:
		resolve_for(c, n);
		return;
	case N_IF:
		resolve_if(c, n);
		return;
	case N_COND:
		resolve_cond(c, n);
		return;
	case N_BLOCK:
		resolve_block(c, n->list, NULL);
		return;
	case N_VALUE:
		resolve_block(c, n->block.list, n->block.value);
		return;
	case N_LET:
		resolve_let(c, n);
		return;
	case N_CAST:
		resolve_cast(c, n);
		return;
	case N_SIZEOF:
		resolve_sizeof(c, n);
		return;
	case N_OFFSETOF:
		resolve_offsetof(c, n);
		return;
	case N_BREAK:
	case N_CONTINUE:
		if (!c->loops)
			diag_error(&c->s->diag, n->at, "loop", "'%s' outside of a loop",
				   n->kind == N_BREAK ? "break" : "continue");
		return;
	default:
		break;
	}
	if (n->kind != N_NAME)
		ast_children(n, resolve_node, c);
}

static void resolve_node(struct node *n, void *ctx)
{
	struct names *c = ctx;
	bool comptime = n->comptime;

	c->comptime += comptime;
	resolve_kind(c, n);
	c->comptime -= comptime;
	n->comptime |= comptime; /* whatever has taken its place */
}

/* ---- the whole probe -------------------------------------------------------------------- */

static struct var *resolved(struct var *v)
{
	while (v && v->same)
		v = v->same;
	return v;
}

static void settle_var(struct node *n, void *ctx)
{
	if (n->kind == N_VAR)
		n->var.var = resolved(n->var.var);
	ast_children(n, settle_var, ctx);
}

/* Numbers the variables that are left when those that are the same have become one. */
static void settle(struct probe *p)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->vars.n; i++) {
		struct var *v = p->vars.v[i];

		if (v->same)
			continue;
		v->id = n;
		p->vars.v[n++] = v;
	}
	p->vars.n = n;
	settle_var(p->node, NULL);
}

void resolve(struct script *s)
{
	for (uint32_t i = 0; i < s->probes.n; i++) {
		struct names c = { .s = s, .p = s->probes.v[i] };

		if (c.p->node->probe.pred)
			resolve_node(c.p->node->probe.pred, &c);
		for (struct node *n = c.p->node->probe.body; n; n = n->next)
			resolve_node(n, &c);
		settle(c.p);
	}
}
