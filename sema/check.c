// SPDX-License-Identifier: Apache-2.0
/*
 * Every rule of the language that is not syntax, a name or a probe: reports what infer.c left open.
 *
 * Requires types at their fixpoint. Poison (type_error) is silent here: what made it was reported,
 * or is reported where it was made. After a clean check every node has a type and codegen has no
 * error of a user's to find.
 */
#include "sema/script.h"

#include <string.h>

struct checker {
	struct script *s;
	struct probe *p;
};

static void check_node(struct node *, void *);

#define FAIL(c, node, id, ...) diag_error(&(c)->s->diag, (node)->at, id, __VA_ARGS__)

static const char *text_of(struct checker *c, const struct type *t)
{
	return type_text(&c->s->work, t);
}

static bool poisoned(const struct node *n)
{
	return !n->type || n->type->kind == T_ERROR;
}

static bool has_value(const struct node *n)
{
	return n->type->kind != T_VOID && n->type->kind != T_STRUCT;
}

/* ---- maps ------------------------------------------------------------------------------- */

static void check_map_key(struct checker *c, struct node *n)
{
	const struct map *m = n->map.map;
	const struct type *member[64], *used;
	uint32_t count = 0;

	for (struct node *k = n->map.key; k; k = k->next) {
		if (k->type && k->type->kind == T_VOID) {
			FAIL(c, k, "void-value", "this has no value that could be a key");
			return;
		}
		if (poisoned(k) || count == LEN(member))
			return;
		member[count++] = k->type;
	}
	if (!count != !m->key) {
		FAIL(c, n, "map-key", "%.*s is used with a key in one place and without one in another",
		     STR_ARG(m->name));
		return;
	}
	if (!count || m->key->kind == T_ERROR)
		return;
	used = count == 1 ? member[0] : type_tuple(&c->s->types, member, count);
	if (!type_join(&c->s->types, m->key, used))
		FAIL(c, n->map.key, "map-key", "%.*s has keys of type %s; this one is %s",
		     STR_ARG(m->name), text_of(c, m->key), text_of(c, used));
}

static void check_undefined_map(struct checker *c, struct node *n)
{
	const struct map *m = n->map.map;
	struct near near = { .wanted = m->name };
	uint32_t e;

	if (m->val || m->agg)
		return;
	e = FAIL(c, n, "undefined-map", "%.*s is never assigned", STR_ARG(m->name));
	for (uint32_t i = 0; i < c->s->maps.n; i++)
		if (c->s->maps.v[i]->val || c->s->maps.v[i]->agg)
			str_near(&near, c->s->maps.v[i]->name);
	if (near.best.len)
		diag_hint(&c->s->diag, e, "did you mean %.*s?", STR_ARG(near.best));
}

/* A map where a value is wanted. */
static void check_map_read(struct checker *c, struct node *n)
{
	uint32_t e;

	check_map_key(c, n);
	check_undefined_map(c, n);
	if (!n->map.map->agg)
		return;
	e = FAIL(c, n, "aggregation-read", "%.*s holds %s(): it is summed up when printed and can't be read here",
		 STR_ARG(n->map.map->name), agg_name(n->map.map->agg));
	diag_hint(&c->s->diag, e, "print(%.*s) shows it; @x++ or @x += n make a map that can be read",
		  STR_ARG(n->map.map->name));
}

/* ---- printf ----------------------------------------------------------------------------- */

static bool conversion_takes(const struct conversion *v, const struct type *t)
{
	switch (v->conv) {
	case 's':
		return true;
	case 'r':
		return t->kind == T_BUFFER || t->kind == T_STRING || t->kind == T_ARRAY;
	default:
		return type_is_integer(t) || t->kind == T_POINTER || t->kind == T_KSYM ||
		       t->kind == T_USERNAME;
	}
}

static void check_conversion_arg(struct checker *c, const struct conversion *v, struct str fmt,
				 struct node *arg)
{
	if (poisoned(arg))
		return;
	if (arg->type->kind == T_VOID)
		FAIL(c, arg, "void-value", "this has no value that could be printed");
	else if (!conversion_takes(v, arg->type))
		FAIL(c, arg, "printf-type", "'%.*s' can't print a value of type %s",
		     (int)(v->end - v->beg), fmt.s + v->beg, text_of(c, arg->type));
}

static void check_star(struct checker *c, struct node *arg)
{
	if (!poisoned(arg) && !type_is_integer(arg->type))
		FAIL(c, arg, "printf-type", "'*' takes an integer, not a value of type %s",
		     text_of(c, arg->type));
}

/* Takes the arguments that one conversion uses off the list. */
static struct node *check_conversion(struct checker *c, const struct conversion *v, struct str fmt,
				     struct node *arg)
{
	for (int stars = v->star_width + v->star_precision; stars && arg; stars--, arg = arg->next)
		check_star(c, arg);
	if (!arg || v->conv == '%')
		return arg;
	check_conversion_arg(c, v, fmt, arg);
	return arg->next;
}

static void check_printf(struct checker *c, struct node *n)
{
	struct node *arg = n->call.args->next;
	uint32_t pos = 0, wanted = 0, given = 0;
	struct conversion v;
	struct str fmt;

	if (!literal_text(c->s, n->call.args, &fmt))
		return;
	for (struct node *a = arg; a; a = a->next)
		given++;
	while (format_next(fmt, &pos, &v)) {
		if (!v.conv) {
			FAIL(c, n->call.args, "printf-format", "'%.*s' is no conversion of printf",
			     (int)(v.end - v.beg), fmt.s + v.beg);
			return;
		}
		wanted += (v.conv != '%') + v.star_width + v.star_precision;
		if (wanted <= given)
			arg = check_conversion(c, &v, fmt, arg);
	}
	if (wanted != given)
		FAIL(c, n, "printf-count", "the format has %u conversion%s, %u argument%s given", wanted,
		     wanted == 1 ? "" : "s", given, given == 1 ? " is" : "s are");
}

/* ---- calls ------------------------------------------------------------------------------ */

static bool param_accepts(const struct checker *c, enum param_kind kind, const struct node *arg)
{
	const struct type *t = arg->type;
	struct str text;
	int64_t v;

	switch (kind) {
	case P_INT:
		return type_is_integer(t) || t->kind == T_POINTER;
	case P_ADDR:
		return type_is_integer(t) || t->kind == T_POINTER || t->kind == T_STRING ||
		       t->kind == T_ARRAY || t->kind == T_BUFFER;
	case P_TEXT:
		return t->kind == T_STRING;
	case P_LITERAL:
		return literal_text(c->s, arg, &text);
	case P_CONST:
		return const_value(c->s, arg, &v);
	case P_MAP:
		return arg->kind == N_MAP && !arg->map.key;
	case P_ELEMENT:
		return arg->kind == N_MAP;
	case P_ANY:
		return t->kind != T_VOID && t->kind != T_STRUCT;
	case PARAM_KINDS:
		break;
	}
	return false;
}

static const char *const param_text_of[PARAM_KINDS] = {
	[P_INT] = "an integer",           [P_ADDR] = "an address",
	[P_TEXT] = "a string",            [P_LITERAL] = "a string literal",
	[P_CONST] = "a constant integer", [P_MAP] = "a map (without key)",
	[P_ELEMENT] = "a map",            [P_ANY] = "a value",
};

static bool is_whole_map(const struct node *arg, enum param_kind kind)
{
	return arg->kind == N_MAP && (kind == P_MAP || kind == P_ELEMENT || kind == P_ANY);
}

static void check_arg(struct checker *c, struct node *call, uint32_t i, struct node *arg,
		      enum param_kind kind)
{
	/* Maps as such are checked by the callee; where a value is wanted they are read. */
	if (is_whole_map(arg, kind)) {
		if (kind == P_MAP && arg->map.key)
			FAIL(c, arg, "arg-type", "%s() takes the whole map: %.*s", call->call.fn->name,
			     STR_ARG(arg->map.name));
		return;
	}
	if (poisoned(arg))
		return;
	if (!param_accepts(c, kind, arg))
		FAIL(c, arg, "arg-type", "argument %u of %s() must be %s, not %s", i + 1,
		     call->call.fn->name, param_text_of[kind],
		     arg->type->kind == T_VOID ? "something without a value" : text_of(c, arg->type));
}

static bool check_args(struct checker *c, struct node *n)
{
	uint32_t errors = c->s->diag.nerror, given = 0, least = 0, most = 0;
	enum param_kind kind;
	bool optional;

	for (struct node *arg = n->call.args; arg; arg = arg->next, given++)
		if (builtin_param(n->call.fn, given, &kind, &optional))
			check_arg(c, n, given, arg, kind);
	while (most < 64 && builtin_param(n->call.fn, most, &kind, &optional)) {
		most++;
		least = optional ? least : most;
	}
	if (given < least || given > most) {
		uint32_t e = FAIL(c, n, "arg-count", "%s() takes %s%u argument%s, %u given",
				  n->call.fn->name, least == most ? "" : given < least ? "at least " : "at most ",
				  given < least ? least : most, (given < least ? least : most) == 1 ? "" : "s",
				  given);

		diag_hint(&c->s->diag, e, "%s(%s)", n->call.fn->name, n->call.fn->params);
	}
	return c->s->diag.nerror == errors;
}

static void check_print(struct checker *c, struct node *n)
{
	struct node *arg = n->call.args;
	int64_t v;

	if (arg->kind != N_MAP || arg->map.key) {
		if (arg->next)
			FAIL(c, arg->next, "arg-count", "only a whole map is printed with top and div");
		if (arg->kind == N_MAP && arg->map.map->agg)
			FAIL(c, arg, "aggregation-read", "one element of %.*s can't be printed: print(%.*s) prints all",
			     STR_ARG(arg->map.name), STR_ARG(arg->map.name));
		else if (arg->kind == N_MAP)
			check_map_read(c, arg);
		return;
	}
	check_undefined_map(c, arg);
	for (arg = arg->next; arg; arg = arg->next)
		if (const_value(c->s, arg, &v) && v < 0)
			FAIL(c, arg, "negative", "top and div can't be negative");
}

/* delete(@m[k]), delete(@m, k), delete(@m): the map's key in all three. */
static void check_delete(struct checker *c, struct node *n)
{
	struct node *m = n->call.args, *key = m->next;

	if (key && m->map.key) {
		FAIL(c, key, "arg-count", "delete() takes the key once: delete(%.*s, key)",
		     STR_ARG(m->map.name));
		return;
	}
	check_undefined_map(c, m);
	if (key) {
		/* The key is a tuple if the map has several: from here on it is an element. */
		m->next = NULL;
		m->map.key = key->kind == N_TUPLE ? key->list : key;
	}
	check_map_key(c, m);
}

static void check_histogram(struct checker *c, struct node *n)
{
	struct hist_shape h = { 0 };
	struct node *arg = n->call.args->next;
	int64_t bits = 0;

	if (n->call.fn->id == B_hist) {
		if (arg && const_value(c->s, arg, &bits) && (bits < 0 || bits > HIST_BITS_MAX))
			FAIL(c, arg, "hist-bits", "hist() takes 0 to %d bits", HIST_BITS_MAX);
		return;
	}
	const_value(c->s, arg, &h.min);
	const_value(c->s, arg->next, &h.max);
	const_value(c->s, arg->next->next, &h.step);
	if (h.min < 0)
		FAIL(c, arg, "lhist", "the least value of lhist() can't be negative");
	else if (h.max <= h.min)
		FAIL(c, arg->next, "lhist", "the greatest value of lhist() must be above the least");
	else if (h.step <= 0)
		FAIL(c, arg->next->next, "lhist", "the step of lhist() must be positive");
	else if ((h.max - h.min) / h.step >= LHIST_BUCKETS_MAX)
		FAIL(c, n, "lhist", "lhist() would need %lld buckets; at most %d are possible",
		     (long long)((h.max - h.min) / h.step), LHIST_BUCKETS_MAX);
}

static void check_kaddr(struct checker *c, struct node *n)
{
	struct ksyms *ksyms = ksyms_open();
	struct str name;
	bool found = false;

	literal_text(c->s, n->call.args, &name);
	ksyms_address(ksyms, name, &found);
	if (!found)
		FAIL(c, n->call.args, "symbol", "the kernel has no symbol '%.*s'", STR_ARG(name));
	ksyms_close(ksyms);
}

/* What can be checked only once the arguments are known to be of the right kinds. */
static void check_builtin(struct checker *c, struct node *n)
{
	struct node *arg = n->call.args;
	int64_t v;

	switch (n->call.fn->id) {
	case B_printf:
		check_printf(c, n);
		break;
	case B_print:
		check_print(c, n);
		break;
	case B_delete:
		check_delete(c, n);
		break;
	case B_len:
		if (!arg->map.map->key && (arg->map.map->val || arg->map.map->agg))
			FAIL(c, arg, "len", "%.*s has no keys to count", STR_ARG(arg->map.name));
		check_undefined_map(c, arg);
		break;
	case B_clear:
	case B_zero:
		check_undefined_map(c, arg);
		break;
	case B_kaddr:
		check_kaddr(c, n);
		break;
	case B_hist:
	case B_lhist:
		check_histogram(c, n);
		break;
	case B_strncmp:
		if (const_value(c->s, arg->next->next, &v) && v < 0)
			FAIL(c, arg->next->next, "negative", "strncmp() can't compare a negative number of bytes");
		break;
	case B_str:
	case B_buf:
		if (arg->next && const_value(c->s, arg->next, &v) && v <= 0)
			FAIL(c, arg->next, "negative", "%s() needs a positive length", n->call.fn->name);
		break;
	default:
		break;
	}
}

static void check_call(struct checker *c, struct node *n)
{
	enum param_kind kind;
	bool optional;
	uint32_t i = 0;

	if (!n->call.fn)
		return;
	for (struct node *arg = n->call.args; arg; arg = arg->next, i++) {
		bool known = builtin_param(n->call.fn, i, &kind, &optional);

		if (known && is_whole_map(arg, kind) && !(kind == P_ANY && n->call.fn->id != B_print))
			ast_children(arg, check_node, c);
		else if (!known || kind != P_LITERAL)
			check_node(arg, c);
	}
	if (check_args(c, n))
		check_builtin(c, n);
}

/* ---- builtin words ---------------------------------------------------------------------- */

static const struct { enum builtin_id id; uint32_t needs; const char *where; } needs[] = {
	{ B_argn, HAS_ARGN, "where a function is entered: kprobe" },
	{ B_retval, HAS_RETVAL, "where a function returns: kretprobe" },
	{ B_func, HAS_FUNC, "in probes of functions: kprobe, kretprobe" },
	{ B_args, HAS_ARGS, "in probes with named fields: tracepoint" },
};

static void check_name(struct checker *c, struct node *n)
{
	const struct builtin *fn = n->name.fn;
	int argn;

	if (!fn)
		return;
	for (size_t i = 0; i < LEN(needs); i++)
		if (needs[i].id == fn->id && !(c->p->provides & needs[i].needs)) {
			uint32_t e = FAIL(c, n, "unavailable", "this probe has no '%.*s'",
					  STR_ARG(n->name.name));

			diag_hint(&c->s->diag, e, "it is available %s", needs[i].where);
			return;
		}
	argn = builtin_argn(n->name.name);
	if (fn->id == B_argn && argn >= (int)arch_host()->nargs)
		FAIL(c, n, "arg-number", "a function's arguments in registers are arg0 to arg%u here",
		     arch_host()->nargs - 1);
}

static void check_args_field(struct checker *c, struct node *n)
{
	for (uint32_t i = 0; i < c->p->points.n; i++) {
		struct attach_point *ap = &c->p->points.v[i];

		for (uint32_t k = 0; k < ap->targets.n; k++) {
			struct target *t = &ap->targets.v[k];
			struct near near = { .wanted = n->member.name };
			uint32_t e;

			if (args_field(c->s, ap, t, n->member.name))
				continue;
			if (!t->args && c->s->check_only)
				return; /* its format can't be read without privilege */
			e = FAIL(c, n, "field", "%s has no field '%.*s'", t->text, STR_ARG(n->member.name));
			for (uint32_t f = 0; t->args && f < t->args->nfields; f++)
				str_near(&near, t->args->fields[f].name);
			if (near.best.len)
				diag_hint(&c->s->diag, e, "did you mean '%.*s'?", STR_ARG(near.best));
			else
				diag_hint(&c->s->diag, e, "xbt -lv '%s' lists its fields", t->text);
			return;
		}
	}
	FAIL(c, n, "field", "the fields '%.*s' of these events have no type in common",
	     STR_ARG(n->member.name));
}

static void check_member(struct checker *c, struct node *n)
{
	check_node(n->member.base, c);
	if (is_args(n->member.base)) {
		if (poisoned(n) && (c->p->provides & HAS_ARGS))
			check_args_field(c, n);
	} else if (!poisoned(n->member.base)) {
		FAIL(c, n, "member", "a value of type %s has no field '%.*s'",
		     text_of(c, n->member.base->type), STR_ARG(n->member.name));
	}
}

/* ---- operators -------------------------------------------------------------------------- */

static bool is_number(const struct node *n)
{
	return type_is_scalar(n->type);
}

static void check_comparison(struct checker *c, struct node *n)
{
	const struct type *l = n->bin.l->type, *r = n->bin.r->type;

	if (l->kind == T_STRING && r->kind == T_STRING) {
		if (n->bin.op != O_EQ && n->bin.op != O_NE)
			FAIL(c, n, "operand", "strings compare only by == and !=");
	} else if (!is_number(n->bin.l) || !is_number(n->bin.r)) {
		FAIL(c, n, "operand", "'%s' can't compare %s with %s", operator_text[n->bin.op],
		     text_of(c, l), text_of(c, r));
	} else if (l->kind == T_INT && r->kind == T_INT && l->sign != r->sign) {
		int64_t v;

		if (!const_value(c->s, n->bin.l, &v) && !const_value(c->s, n->bin.r, &v) &&
		    n->bin.op != O_EQ && n->bin.op != O_NE)
			diag_warn(&c->s->diag, n->at, "sign-compare",
				  "one side is signed, the other is not: both are compared as signed");
	}
}

static void check_binary(struct checker *c, struct node *n)
{
	int64_t v;

	ast_children(n, check_node, c);
	if (poisoned(n->bin.l) || poisoned(n->bin.r))
		return;
	if (n->bin.op >= O_EQ && n->bin.op <= O_GE) {
		check_comparison(c, n);
		return;
	}
	if (!is_number(n->bin.l) || !is_number(n->bin.r)) {
		FAIL(c, n, "operand", "'%s' can't join %s and %s", operator_text[n->bin.op],
		     n->bin.l->type->kind == T_VOID ? "nothing" : text_of(c, n->bin.l->type),
		     n->bin.r->type->kind == T_VOID ? "nothing" : text_of(c, n->bin.r->type));
		return;
	}
	if ((n->bin.op == O_DIV || n->bin.op == O_MOD) && const_value(c->s, n->bin.r, &v) && !v)
		FAIL(c, n, "div-zero", "division by zero");
}

static void check_unary(struct checker *c, struct node *n)
{
	check_node(n->un.e, c);
	if (!poisoned(n->un.e) && !is_number(n->un.e))
		FAIL(c, n, "operand", "'%s' needs a number, not %s", operator_text[n->un.op],
		     n->un.e->type->kind == T_VOID ? "nothing" : text_of(c, n->un.e->type));
	else if (n->type && n->type->kind == T_VOID)
		FAIL(c, n, "operand", "a pointer to void has nothing to read; cast it first");
}

static void check_step(struct checker *c, struct node *n)
{
	check_node(n->un.e, c);
	if (!poisoned(n->un.e) && !is_number(n->un.e))
		FAIL(c, n, "operand", "'%s' needs a number, not %s", n->un.op == O_ADD ? "++" : "--",
		     text_of(c, n->un.e->type));
}

static void check_condition(struct checker *c, struct node *n)
{
	check_node(n, c);
	if (poisoned(n) || type_is_scalar(n->type))
		return;
	if (n->type->kind == T_VOID)
		FAIL(c, n, "condition", "this has no value that could be tested");
	else
		FAIL(c, n, "condition", "a value of type %s is neither true nor false",
		     text_of(c, n->type));
}

static void check_cond(struct checker *c, struct node *n)
{
	check_condition(c, n->cond.test);
	check_node(n->cond.then, c);
	check_node(n->cond.els, c);
	if (!poisoned(n->cond.then) && !poisoned(n->cond.els) && poisoned(n))
		FAIL(c, n, "cond-types", "the two results differ in type: %s and %s",
		     text_of(c, n->cond.then->type), text_of(c, n->cond.els->type));
}

static void check_index(struct checker *c, struct node *n)
{
	const struct type *base = n->bin.l->type;
	int64_t i;

	ast_children(n, check_node, c);
	if (poisoned(n->bin.l) || poisoned(n->bin.r))
		return;
	if (base->kind == T_TUPLE) {
		if (!const_value(c->s, n->bin.r, &i) || i < 0 || i >= base->nfields)
			FAIL(c, n, "index", "this tuple's members are 0 to %d", (int)base->nfields - 1);
	} else if (base->kind != T_ARRAY && base->kind != T_POINTER) {
		FAIL(c, n, "index", "a value of type %s has no elements", text_of(c, base));
	} else if (!type_is_integer(n->bin.r->type)) {
		FAIL(c, n->bin.r, "index", "an index must be an integer");
	} else if (base->kind == T_ARRAY && const_value(c->s, n->bin.r, &i) &&
		   (i < 0 || (base->len && i >= base->len))) {
		FAIL(c, n, "index", "this array's elements are 0 to %d", (int)base->len - 1);
	} else if (n->type->kind == T_VOID) {
		FAIL(c, n, "operand", "a pointer to void has nothing to read; cast it first");
	}
}

static void check_cast(struct checker *c, struct node *n)
{
	check_node(n->cast.e, c);
	if (n->type && n->type->kind == T_ERROR) {
		uint32_t e = FAIL(c, n, "cast", "unknown type '%.*s'", STR_ARG(n->cast.name));

		diag_hint(&c->s->diag, e, "int8 to int64, uint8 to uint64, bool, and pointers to them");
	} else if (n->type && n->type->kind == T_VOID) {
		FAIL(c, n, "cast", "nothing can be cast to void");
	} else if (!poisoned(n->cast.e) && !is_number(n->cast.e)) {
		FAIL(c, n, "cast", "a value of type %s can't be cast to %s",
		     n->cast.e->type->kind == T_VOID ? "void" : text_of(c, n->cast.e->type),
		     text_of(c, n->type));
	}
}

static void check_literal(struct checker *c, struct node *n)
{
	uint32_t e;

	if (n->str.len < c->s->config.max_strlen)
		return;
	e = FAIL(c, n, "string-too-long", "a string of %u bytes; at most %u are possible", n->str.len,
		 c->s->config.max_strlen - 1);
	diag_hint(&c->s->diag, e, "BPFTRACE_MAX_STRLEN=%u in the environment allows it", n->str.len + 1);
}

static void check_tuple(struct checker *c, struct node *n)
{
	ast_children(n, check_node, c);
	for (struct node *m = n->list; m; m = m->next)
		if (m->type && !has_value(m))
			FAIL(c, m, "void-value", "this has no value that a tuple could hold");
}

/* ---- statements ------------------------------------------------------------------------- */

static void check_aggregation(struct checker *c, struct node *n)
{
	const struct builtin *fn = aggregation_of(n->bin.r);
	const struct map *m = n->bin.l->kind == N_MAP ? n->bin.l->map.map : NULL;
	struct node *arg = n->bin.r->call.args;
	struct hist_shape h = { 0 };

	if (!m || n->bin.compound) {
		FAIL(c, n, "aggregation-place", "%s() can only be assigned to a map: @x = %s(...)", fn->name,
		     fn->name);
		return;
	}
	check_map_key(c, n->bin.l);
	if (m->agg != agg_of_builtin(fn->id)) {
		if (m->agg)
			FAIL(c, n, "aggregation-mix", "%.*s holds %s() elsewhere; here it is %s()",
			     STR_ARG(m->name), agg_name(m->agg), fn->name);
		else
			FAIL(c, n, "aggregation-mix", "%.*s holds %s elsewhere; here it is %s()",
			     STR_ARG(m->name), text_of(c, m->val), fn->name);
		return;
	}
	if (fn->id == B_hist && arg && arg->next) {
		int64_t bits = 0;

		const_value(c->s, arg->next, &bits);
		if (bits >= 0 && bits <= HIST_BITS_MAX && bits != m->hist.bits)
			FAIL(c, n, "aggregation-mix", "%.*s has another number of bits elsewhere",
			     STR_ARG(m->name));
	} else if (fn->id == B_lhist && arg && arg->next && arg->next->next && arg->next->next->next) {
		const_value(c->s, arg->next, &h.min);
		const_value(c->s, arg->next->next, &h.max);
		const_value(c->s, arg->next->next->next, &h.step);
		if (h.min != m->hist.min || h.max != m->hist.max || h.step != m->hist.step)
			FAIL(c, n, "aggregation-mix", "%.*s has other bounds elsewhere",
			     STR_ARG(m->name));
	}
}

static void check_compound(struct checker *c, struct node *n)
{
	int64_t v;

	if (!is_number(n->bin.l) || !is_number(n->bin.r))
		FAIL(c, n, "operand", "'%s=' can't join %s and %s", operator_text[n->bin.op],
		     text_of(c, n->bin.l->type), text_of(c, n->bin.r->type));
	else if ((n->bin.op == O_DIV || n->bin.op == O_MOD) && const_value(c->s, n->bin.r, &v) && !v)
		FAIL(c, n, "div-zero", "division by zero");
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
	if (type_join(&c->s->types, held, value))
		return;
	e = FAIL(c, n, "type-mismatch", "%.*s holds %s; this assigns %s", STR_ARG(name), text_of(c, held),
		 text_of(c, value));
	if (n->bin.l->kind == N_VAR)
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

static void check_expr_statement(struct checker *c, struct node *n)
{
	struct node *e = n->un.e;

	check_node(e, c);
	if (aggregation_of(e))
		FAIL(c, e, "aggregation-place", "%s() can only be assigned to a map: @x = %s(...)",
		     e->call.fn->name, e->call.fn->name);
	else if (e->kind != N_CALL && e->kind != N_STEP && e->kind != N_COND && !poisoned(e))
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

static void check_list(struct checker *c, struct node *list)
{
	for (; list; list = list->next)
		check_node(list, c);
}

static void check_node(struct node *n, void *ctx)
{
	struct checker *c = ctx;

	switch (n->kind) {
	case N_STRING:
		check_literal(c, n);
		break;
	case N_PARAM:
		if (n->num > c->s->params_n && !c->s->counts_params)
			diag_warn(&c->s->diag, n->at, "param-missing",
				  "$%llu was not given: it is 0 and the empty string",
				  (unsigned long long)n->num);
		break;
	case N_NAME:
		check_name(c, n);
		break;
	case N_CALL:
		check_call(c, n);
		break;
	case N_MAP:
		ast_children(n, check_node, c);
		check_map_read(c, n);
		break;
	case N_BINARY:
		check_binary(c, n);
		break;
	case N_UNARY:
		check_unary(c, n);
		break;
	case N_STEP:
		check_step(c, n);
		break;
	case N_COND:
		check_cond(c, n);
		break;
	case N_MEMBER:
		check_member(c, n);
		break;
	case N_INDEX:
		check_index(c, n);
		break;
	case N_CAST:
		check_cast(c, n);
		break;
	case N_TUPLE:
		check_tuple(c, n);
		break;
	case N_EXPR:
		check_expr_statement(c, n);
		break;
	case N_ASSIGN:
		check_assign(c, n);
		break;
	case N_IF:
		check_condition(c, n->cond.test);
		check_list(c, n->cond.then);
		check_list(c, n->cond.els);
		break;
	case N_WHILE:
		check_condition(c, n->loop.test);
		check_list(c, n->loop.body);
		break;
	case N_UNROLL:
		check_unroll(c, n);
		break;
	default:
		break;
	}
}

void check(struct script *s)
{
	for (uint32_t i = 0; i < s->probes.n; i++) {
		struct checker c = { .s = s, .p = s->probes.v[i] };

		if (c.p->node->probe.pred)
			check_condition(&c, c.p->node->probe.pred);
		check_list(&c, c.p->node->probe.body);
	}
}
