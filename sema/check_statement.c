// SPDX-License-Identifier: Apache-2.0
/*
 * The rules of statements: assignments, loops, declarations.
 */
#include "sema/check.h"

static void check_bound(struct checker *c, struct node *n)
{
	check_node(n, c);
	if (!poisoned(n) && !type_is_integer(n->type))
		FAIL(c, n, "for", "a range goes from one integer to another; this is %s",
		     n->type->kind == T_VOID ? "nothing" : text_of(c, n->type));
}

static void check_for_map(struct checker *c, struct node *n)
{
	const struct map *m = n->map.map;

	if (!m->key && (m->val || m->agg))
		FAIL(c, n, "for", "%.*s has no keys to go over", STR_ARG(m->name));
	else if (m->agg && !agg_is_readable(m->agg))
		FAIL(c, n, "for", "for can't go over %s() maps", agg_name(m->agg));
	n->map.map->read_back = true;
}

static void check_compound(struct checker *c, struct node *n)
{
	if (!is_number(n->bin.l) || !is_number(n->bin.r))
		FAIL(c, n, "operand", "'%s=' can't join %s and %s", operator_text[n->bin.op],
		     text_of(c, n->bin.l->type), text_of(c, n->bin.r->type));
}

static bool is_declared(const struct node *n)
{
	return n->kind == N_VAR && n->var.var->declared;
}

/* May it be assigned? A declared type doesn't grow: a constant must be one of its values; of an integer
 * that is computed it takes the low bytes, as in C. */
static bool holds(struct checker *c, const struct node *to, const struct node *value)
{
	const struct type *joined = type_join(&c->s->types, to->type, value->type);
	int64_t v;

	if (!joined || !is_declared(to))
		return joined != NULL;
	if (to->type->kind != T_INT)
		return joined == to->type;
	return value->type == &type_uint64 || !const_value(c->s, value, &v) || type_holds(to->type, v);
}

static void check_assign_types(struct checker *c, struct node *n)
{
	const struct type *held = n->bin.l->type, *value = n->bin.r->type;
	struct str name = n->bin.l->kind == N_MAP ? n->bin.l->map.name : n->bin.l->var.name;
	uint32_t e;

	if (n->bin.compound) {
		check_compound(c, n);
		return;
	}
	if (holds(c, n->bin.l, n->bin.r))
		return;
	e = FAIL(c, n, "type-mismatch", "%.*s holds %s; this assigns %s", STR_ARG(name), text_of(c, held),
		 text_of(c, value));
	if (is_declared(n->bin.l))
		diag_hint(&c->s->diag, e, "it was declared as that on line %u",
			  source_position(&c->s->source, n->bin.l->var.var->first.beg).line);
	else if (n->bin.l->kind == N_VAR)
		diag_hint(&c->s->diag, e, "the first assignment decides; it is on line %u",
			  source_position(&c->s->source, n->bin.l->var.var->first.beg).line);
}

static void check_assign(struct checker *c, struct node *n)
{
	struct node *l = n->bin.l;

	check_node(n->bin.r, c);
	if (l->kind == N_MAP)
		ast_children(l, check_node, c);
	if (aggregation_of(n->bin.r)) {
		check_aggregation(c, n);
		return;
	}
	if (l->kind == N_MAP)
		check_map_key(c, l);
	if (l->kind == N_MAP && l->map.map->agg) {
		FAIL(c, n, "aggregation-mix", "%.*s holds %s() elsewhere; here a value is assigned",
		     STR_ARG(l->map.name), agg_name(l->map.map->agg));
		return;
	}
	if (!poisoned(n->bin.r) && !has_value(n->bin.r))
		FAIL(c, n->bin.r, "void-value", "this has no value that could be assigned");
	else if (!poisoned(l) && !poisoned(n->bin.r))
		check_assign_types(c, n);
}

/* Does something in it happen, whatever becomes of its value? */
static void find_action(struct node *n, void *ctx)
{
	bool call = n->kind == N_CALL && n->type && n->type->kind == T_VOID;

	if (call || n->kind == N_STEP || n->kind == N_ASSIGN)
		*(bool *)ctx = true;
	ast_children(n, find_action, ctx);
}

static bool acts(struct node *e)
{
	bool found = e->kind == N_CALL || e->kind == N_COND || e->kind == N_VALUE;

	find_action(e, &found);
	return found;
}

static void check_expr_statement(struct checker *c, struct node *n)
{
	struct node *e = n->un.e;
	uint32_t errors = c->s->diag.nerror;

	check_node(e, c);
	if (aggregation_of(e))
		FAIL(c, e, "aggregation-place", "%s() can only be assigned to a map: @x = %s(...)",
		     e->call.fn->name, e->call.fn->name);
	else if (!poisoned(e) && c->s->diag.nerror == errors && !acts(e))
		diag_warn(&c->s->diag, e->at, "no-effect", "this statement has no effect");
}

static void check_unroll(struct checker *c, struct node *n)
{
	enum { UNROLL_MAX = 100 };
	int64_t v;

	if (!const_value(c->s, n->loop.test, &v))
		FAIL(c, n->loop.test, "unroll", "unroll() needs a constant number");
	else if (v < 1 || v > UNROLL_MAX)
		FAIL(c, n->loop.test, "unroll", "unroll() takes 1 to %d, not %lld", UNROLL_MAX,
		     (long long)v);
	for (struct node *k = n->loop.body; k; k = k->next)
		check_node(k, c);
}

static void check_discard(struct checker *c, struct node *n)
{
	check_node(n->un.e, c);
	if (!poisoned(n->un.e) && n->un.e->type->kind == T_VOID)
		FAIL(c, n->un.e, "void-value", "this has no value to discard");
}

static void check_let(struct checker *c, struct node *n)
{
	const struct node *of = n->let.of;

	if (of)
		check_node(n->let.of, c);
	if (of && of->type && of->type->kind == T_VOID)
		FAIL(c, of, "typeof", "this has no value, so no type for a variable");
	if (n->let.assign)
		check_node(n->let.assign, c);
	else if (!n->let.var->var.var->type)
		FAIL(c, n, "undefined-variable", "%.*s is never assigned", STR_ARG(n->let.var->var.name));
}

/* Loops that the kernel runs came in 5.13 (bpf_for_each_map_elem) and 5.17 (bpf_loop). */
static void check_for_kernel(struct checker *c, struct node *n)
{
	uint32_t minor = n->loop.end ? 17 : 13, e;
	struct features f;

	features_read(&c->s->work, &f);
	if (f.release >= (5 << 16 | minor << 8))
		return;
	e = FAIL(c, n, "for-kernel", "for over a %s needs Linux 5.%u; this is %s",
		 n->loop.end ? "range" : "map", minor, f.release_text);
	diag_hint(&c->s->diag, e, n->loop.end ? "unroll (10) { ... } or while may do" : "print() shows a map");
}

/* Its members one after another, in a variable that can hold each. */
static void check_for_tuple(struct checker *c, struct node *over)
{
	const struct type *t = over->type, *all = t->nfields ? t->fields[0].type : NULL;

	for (uint32_t i = 1; all && i < t->nfields; i++)
		all = type_join(&c->s->types, all, t->fields[i].type);
	if (!all)
		FAIL(c, over, "for-tuple", "the members of %s have no type in common", text_of(c, t));
}

static void check_for(struct checker *c, struct node *n)
{
	struct node *over = n->loop.test;

	if (for_tuple(n)) {
		check_node(over, c);
		check_for_tuple(c, over);
		check_list(c, n->loop.body);
		return;
	}
	check_for_kernel(c, n);
	if (n->loop.end) {
		check_bound(c, over);
		check_bound(c, n->loop.end);
	} else if (over->kind != N_MAP || over->map.key) {
		uint32_t e = FAIL(c, over, "for", "for goes over a map, a range or a tuple");

		diag_hint(&c->s->diag, e, "for ($kv : @map) { ... $kv.0 ... $kv.1 ... } or for ($i : 0..10) { ... }");
	} else {
		check_undefined_map(c, over);
		check_for_map(c, over);
	}
	check_list(c, n->loop.body);
}

static void check_if(struct checker *c, struct node *n)
{
	bool holds, known = const_condition(c->s, n->cond.test, &holds);

	check_condition(c, n->cond.test);
	c->unreachable += known && !holds;
	check_list(c, n->cond.then);
	c->unreachable -= known && !holds;
	c->unreachable += known && holds;
	check_list(c, n->cond.els);
	c->unreachable -= known && holds;
}

void check_list(struct checker *c, struct node *list)
{
	for (; list; list = list->next)
		check_node(list, c);
}

bool check_statement(struct checker *c, struct node *n)
{
	switch (n->kind) {
	case N_EXPR:
		check_expr_statement(c, n);
		break;
	case N_ASSIGN:
		check_assign(c, n);
		break;
	case N_DISCARD:
		check_discard(c, n);
		break;
	case N_LET:
		check_let(c, n);
		break;
	case N_FOR:
		check_for(c, n);
		break;
	case N_BLOCK:
		check_list(c, n->list);
		break;
	case N_RETURN:
		if (n->un.e)
			check_node(n->un.e, c);
		break;
	case N_IF:
		check_if(c, n);
		break;
	case N_WHILE:
		check_condition(c, n->loop.test);
		check_list(c, n->loop.body);
		break;
	case N_UNROLL:
		check_unroll(c, n);
		break;
	default:
		return false;
	}
	return true;
}
