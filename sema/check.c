// SPDX-License-Identifier: Apache-2.0
/*
 * Every rule of the language that is not syntax, a name or a probe: reports what infer.c left open.
 * Here are the rules of expressions.
 *
 * Requires types at their fixpoint. Poison (type_error) is silent here: what made it was reported,
 * or is reported where it was made. After a clean check every node has a type and codegen has no
 * error of a user's to find.
 */
#include "sema/check.h"

const char *text_of(struct checker *c, const struct type *t)
{
	return type_text(&c->s->work, t);
}

bool poisoned(const struct node *n)
{
	return !n->type || n->type->kind == T_ERROR;
}

bool has_value(const struct node *n)
{
	return n->type->kind != T_VOID;
}

/* ---- maps ------------------------------------------------------------------------------- */

static void fail_members(struct checker *c, const struct node *n, const struct node *list)
{
	FAIL(c, n, "members", "%u members; a tuple has at most %d", list_length(list), MEMBERS_MAX);
}

static bool is_assigned(const struct map *m)
{
	return m->val || m->agg;
}

void check_map_key(struct checker *c, struct node *n)
{
	const struct map *m = n->map.map;
	const struct type *member[MEMBERS_MAX], *used;
	uint32_t count = 0;

	if (list_length(n->map.key) > MEMBERS_MAX) {
		fail_members(c, n, n->map.key);
		return;
	}
	for (struct node *k = n->map.key; k; k = k->next) {
		if (k->type && k->type->kind == T_VOID) {
			FAIL(c, k, "void-value", "this has no value that could be a key");
			return;
		}
		if (poisoned(k))
			return;
		member[count++] = k->type;
	}
	if (!is_assigned(m))
		return; /* check_undefined_map()'s affair */
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

void check_undefined_map(struct checker *c, struct node *n)
{
	const struct map *m = n->map.map;
	struct near near = { .wanted = m->name };
	uint32_t e;

	if (is_assigned(m) || c->s->incomplete)
		return;
	e = FAIL(c, n, "undefined-map", "%.*s is never assigned", STR_ARG(m->name));
	for (uint32_t i = 0; i < c->s->maps.n; i++)
		if (is_assigned(c->s->maps.v[i]))
			str_near(&near, c->s->maps.v[i]->name);
	if (near.best.len)
		diag_hint(&c->s->diag, e, "did you mean %.*s?", STR_ARG(near.best));
}

/* One value for all CPUs that only grows takes what came with 5.12: compare and exchange. */
static void check_extreme_kernel(struct checker *c, const struct node *n)
{
	enum agg_kind agg = n->map.map->agg;
	struct features f;

	if (agg != AGG_MIN && agg != AGG_MAX)
		return;
	features_read(&c->s->work, &f);
	if (f.release < (5 << 16 | 12 << 8))
		FAIL(c, n, "aggregation-kernel", "reading %s() needs Linux 5.12; this is %s", agg_name(agg),
		     f.release_text);
}

void check_map_read(struct checker *c, struct node *n)
{
	uint32_t e;

	check_map_key(c, n);
	check_undefined_map(c, n);
	if (!n->map.map->agg)
		return;
	n->map.map->read_back = true;
	check_extreme_kernel(c, n);
	if (agg_is_readable(n->map.map->agg) || n->map.map->agg == AGG_STATS)
		return;
	e = FAIL(c, n, "aggregation-read", "%.*s holds %s(), which is no number that could be read",
		 STR_ARG(n->map.map->name), agg_name(n->map.map->agg));
	diag_hint(&c->s->diag, e, "print(%.*s) shows it", STR_ARG(n->map.map->name));
}

/* ---- builtin words ---------------------------------------------------------------------- */

static const struct { enum builtin_id id; uint32_t needs; const char *where; } needs[] = {
	{ B_argn, HAS_ARGN, "where a function is entered (kprobe, fentry, uprobe), in usdt and rawtracepoint" },
	{ B_retval, HAS_RETVAL, "where a function returns: kretprobe, fexit, uretprobe" },
	{ B_func, HAS_FUNC, "in probes of functions: kprobe, fentry, uprobe, and at their returns" },
	{ B_ctx, HAS_CTX, "in iterators: iter" },
	{ B_args, HAS_ARGS,
	  "in probes with named fields: tracepoint, rawtracepoint, kprobe, fentry, fexit, uprobe" },
};

static void check_argn(struct checker *c, struct node *n, int number)
{
	for (uint32_t i = 0; i < c->p->points.n; i++) {
		struct attach_point *ap = &c->p->points.v[i];

		for (uint32_t k = 0; k < ap->targets.n; k++) {
			uint32_t count = ap->kind->arg_count(&ap->targets.v[k]);

			if ((uint32_t)number < count)
				continue;
			if (count)
				FAIL(c, n, "arg-number", "%s has %u arguments at most: arg0 to arg%u",
				     ap->targets.v[k].text, count, count - 1);
			else
				FAIL(c, n, "arg-number", "%s has no arguments", ap->targets.v[k].text);
			return;
		}
	}
}

static void check_name(struct checker *c, struct node *n)
{
	const struct builtin *fn = n->name.fn;

	if (!fn)
		return;
	if (fn->id == B_cpid && !c->s->has_command && !c->unreachable)
		diag_warn(&c->s->diag, n->at, "cpid", "there is no command (-c): cpid is 0");
	for (size_t i = 0; i < LEN(needs); i++)
		if (needs[i].id == fn->id && !(c->p->provides & needs[i].needs)) {
			uint32_t e = FAIL(c, n, "unavailable", "this probe has no '%.*s'",
					  STR_ARG(n->name.name));

			diag_hint(&c->s->diag, e, "it is available %s", needs[i].where);
			n->type = &type_error;
			return;
		}
	if (fn->id == B_argn)
		check_argn(c, n, builtin_argn(n->name.name));
}

static void unknown_fields(struct checker *c, struct node *n, const struct target *t)
{
	uint32_t e = FAIL(c, n, "field", "%s has no fields: nothing is known of its arguments", t->text);

	diag_hint(&c->s->diag, e, "%s", t->unknown ? t->unknown
					: ctype_no_btf(c->s) ? ctype_no_btf(c->s)
							     : "the kernel's BTF does not have it; arg0, "
								"arg1, ... may do");
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
			if (!t->args && !t->unknown && c->s->check_only)
				return; /* its format can't be read without privilege */
			if (!t->args) {
				unknown_fields(c, n, t);
				return;
			}
			e = FAIL(c, n, "field", "%s has no field '%.*s'", t->text, STR_ARG(n->member.name));
			for (uint32_t f = 0; f < t->args->nfields; f++)
				str_near(&near, t->args->fields[f].name);
			if (t->unknown)
				diag_hint(&c->s->diag, e, "%s", t->unknown);
			else if (near.best.len)
				diag_hint(&c->s->diag, e, "did you mean '%.*s'?", STR_ARG(near.best));
			else
				diag_hint(&c->s->diag, e, "xbt -lv '%s' lists its fields", t->text);
			return;
		}
	}
	if (c->p->lost)
		return;
	FAIL(c, n, "field", "the fields '%.*s' of these events have no type in common",
	     STR_ARG(n->member.name));
}

/* The kernel's own types may be what is missing. */
static void explain_fields(struct script *s, uint32_t e, const struct type *t, struct str name)
{
	struct near near = { .wanted = name };
	const char *why = t->nfields ? NULL : ctype_no_btf(s);

	for (uint32_t i = 0; i < t->nfields; i++)
		str_near(&near, t->fields[i].name);
	if (near.best.len)
		diag_hint(&s->diag, e, "did you mean '%.*s'?", STR_ARG(near.best));
	else if (why)
		diag_hint(&s->diag, e, "the kernel's types are not to be had: %s", why);
	else if (!t->nfields)
		diag_hint(&s->diag, e, "its fields are not known here");
	else
		diag_hint(&s->diag, e, "xbt -lv '%s' lists its fields", type_text(&s->work, t));
}

void field_missing(struct script *s, struct span at, const struct type *t, struct str name)
{
	const struct type *of = t->kind == T_POINTER ? t->of : t;
	bool has_fields = of->kind == T_STRUCT || of->kind == T_TUPLE;
	uint32_t e = diag_error(&s->diag, at, "member", "a value of type %s has no field '%.*s'",
				type_text(&s->work, has_fields ? of : t), STR_ARG(name));

	if (of->kind == T_STRUCT)
		explain_fields(s, e, of, name);
	else if (type_is_integer(t))
		diag_hint(&s->diag, e, "cast it first: ((struct NAME *)...)->%.*s", STR_ARG(name));
}

static void check_member(struct checker *c, struct node *n)
{
	check_node(n->member.base, c);
	if (is_args(n->member.base)) {
		if (poisoned(n) && (c->p->provides & (HAS_ARGS | HAS_CTX)))
			check_args_field(c, n);
	} else if (!poisoned(n->member.base) && poisoned(n)) {
		field_missing(c->s, n->at, n->member.base->type, n->member.name);
	}
}

/* ---- operators -------------------------------------------------------------------------- */

bool is_number(const struct node *n)
{
	return type_is_scalar(n->type);
}

/* An empty string is false. */
static bool is_testable(const struct node *n)
{
	return is_number(n) || n->type->kind == T_STRING;
}

static void check_comparison(struct checker *c, struct node *n)
{
	const struct type *l = n->bin.l->type, *r = n->bin.r->type;

	if (l->kind == T_STRING && r->kind == T_STRING) {
		if (n->bin.op != O_EQ && n->bin.op != O_NE)
			FAIL(c, n, "operand", "strings compare only by == and !=");
	} else if (!is_number(n->bin.l) && l->kind == r->kind && l->kind != T_VOID &&
		   type_join(&c->s->types, l, r)) {
		if (n->bin.op != O_EQ && n->bin.op != O_NE)
			FAIL(c, n, "operand", "values of type %s compare only by == and !=", text_of(c, l));
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
	if ((n->bin.op == O_LAND || n->bin.op == O_LOR) && is_testable(n->bin.l) && is_testable(n->bin.r))
		return;
	if (!is_number(n->bin.l) || !is_number(n->bin.r)) {
		FAIL(c, n, "operand", "'%s' can't join %s and %s", operator_text[n->bin.op],
		     n->bin.l->type->kind == T_VOID ? "nothing" : text_of(c, n->bin.l->type),
		     n->bin.r->type->kind == T_VOID ? "nothing" : text_of(c, n->bin.r->type));
		return;
	}
	if ((n->bin.op == O_DIV || n->bin.op == O_MOD) && const_value(c->s, n->bin.r, &v) && !v &&
	    const_value(c->s, n->bin.l, &v))
		FAIL(c, n, "div-zero", "division by zero");
}

static void check_address(struct checker *c, struct node *n)
{
	const struct node *e = n->un.e;

	if (poisoned(e))
		return;
	if (!is_remote(e))
		FAIL(c, n, "address", "only what is in memory of the traced system has an address");
	else if (e->kind == N_MEMBER && !is_args(e->member.base) && member_field(c->s, e)->bits)
		FAIL(c, n, "address", "'%.*s' is a bitfield: it has no address of its own",
		     STR_ARG(e->member.name));
}

static bool points_to_void(const struct node *n)
{
	return n->type && n->type->kind == T_POINTER && n->type->of->kind == T_VOID;
}

static void check_unary(struct checker *c, struct node *n)
{
	check_node(n->un.e, c);
	if (n->un.op == O_ADDRESS) {
		check_address(c, n);
		return;
	}
	if (!poisoned(n->un.e) && !is_number(n->un.e))
		FAIL(c, n, "operand", "'%s' needs a number, not %s", operator_text[n->un.op],
		     n->un.e->type->kind == T_VOID ? "nothing" : text_of(c, n->un.e->type));
	else if (n->un.op == O_DEREF && points_to_void(n->un.e))
		FAIL(c, n, "operand", "a pointer to void has nothing to read; cast it first");
}

static void check_step(struct checker *c, struct node *n)
{
	const struct map *m = n->un.e->kind == N_MAP ? n->un.e->map.map : NULL;

	if (m && m->agg) {
		FAIL(c, n, "aggregation-mix", "%.*s holds %s() elsewhere; here it is counted up or down",
		     STR_ARG(m->name), agg_name(m->agg));
		return;
	}
	check_node(n->un.e, c);
	if (!poisoned(n->un.e) && !is_number(n->un.e))
		FAIL(c, n, "operand", "'%s' needs a number, not %s", n->un.op == O_ADD ? "++" : "--",
		     text_of(c, n->un.e->type));
}

void check_condition(struct checker *c, struct node *n)
{
	check_node(n, c);
	if (poisoned(n) || is_testable(n))
		return;
	if (n->type->kind == T_VOID)
		FAIL(c, n, "condition", "this has no value that could be tested");
	else
		FAIL(c, n, "condition", "a value of type %s is neither true nor false",
		     text_of(c, n->type));
}

static void check_cond(struct checker *c, struct node *n)
{
	bool holds, known = const_condition(c->s, n->cond.test, &holds);

	check_condition(c, n->cond.test);
	c->unreachable += known && !holds;
	check_node(n->cond.then, c);
	c->unreachable -= known && !holds;
	c->unreachable += known && holds;
	check_node(n->cond.els, c);
	c->unreachable -= known && holds;
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
	} else if (n->bin.l->kind == N_NUM && n->bin.r->at.end == n->at.end) {
		FAIL(c, n, "index", "numbers have no fractions");
	} else if (base->kind != T_ARRAY && base->kind != T_POINTER && base->kind != T_STRING) {
		FAIL(c, n, "index", "a value of type %s has no elements", text_of(c, base));
	} else if (!type_is_integer(n->bin.r->type)) {
		FAIL(c, n->bin.r, "index", "an index must be an integer");
	} else if (base->kind != T_POINTER && const_value(c->s, n->bin.r, &i) &&
		   (i < 0 || (base->len && i >= base->len))) {
		FAIL(c, n, "index", "this %s's elements are 0 to %d",
		     base->kind == T_ARRAY ? "array" : "string", (int)base->len - 1);
	} else if (points_to_void(n->bin.l)) {
		FAIL(c, n, "operand", "a pointer to void has nothing to read; cast it first");
	}
}

/* Numbers among each other, and to and from arrays that have their size. */
static bool can_cast(const struct node *e, const struct type *to)
{
	const struct type *from = e->type;

	if (from == to)
		return true;
	if (from->kind == T_ARRAY)
		return type_is_integer(to) && from->size <= 8;
	return is_number(e) && (type_is_scalar(to) || (to->kind == T_ARRAY && to->size <= 8) ||
				(to->kind == T_STRING && to->size <= 8));
}

static void check_cast(struct checker *c, struct node *n)
{
	check_node(n->cast.e, c);
	if (poisoned(n->cast.e))
		return;
	if (n->cast.to && n->cast.to->kind == T_VOID && !n->cast.stars)
		FAIL(c, n, "cast", "nothing can be cast to void");
	else if (!poisoned(n) && !c->unreachable && !can_cast(n->cast.e, n->type))
		FAIL(c, n, "cast", "a value of type %s can't be cast to %s",
		     n->cast.e->type->kind == T_VOID ? "void" : text_of(c, n->cast.e->type),
		     text_of(c, n->type));
}

static void check_sizeof(struct checker *c, struct node *n)
{
	check_node(n->cast.e, c);
	if (!poisoned(n->cast.e) && !has_value(n->cast.e))
		FAIL(c, n->cast.e, "void-value", "this has no value that could have a size");
}

enum { STRLEN_MAX = 65536 }; /* config.def's */

static void check_literal(struct checker *c, struct node *n)
{
	uint32_t e;

	if (n->str.len < c->s->config.max_strlen)
		return;
	e = FAIL(c, n, "string-too-long", "a string of %u bytes; at most %u are possible", n->str.len,
		 c->s->config.max_strlen - 1);
	if (n->str.len < STRLEN_MAX)
		diag_hint(&c->s->diag, e, "BPFTRACE_MAX_STRLEN=%u in the environment allows it",
			  n->str.len + 1);
}

static void check_tuple(struct checker *c, struct node *n)
{
	ast_children(n, check_node, c);
	if (list_length(n->list) > MEMBERS_MAX)
		fail_members(c, n, n->list);
	for (struct node *m = n->list; m; m = m->next)
		if (m->type && !has_value(m))
			FAIL(c, m, "void-value", "this has no value that a %s could hold",
			     n->kind == N_TUPLE ? "tuple" : "record");
}

static void check_record(struct checker *c, struct node *n)
{
	check_tuple(c, n);
	for (const struct node *f = n->list; f; f = f->next)
		for (const struct node *g = n->list; g != f; g = g->next)
			if (str_eq(f->member.name, g->member.name)) {
				FAIL(c, f, "record-field", "a second field '%.*s'", STR_ARG(f->member.name));
				break;
			}
}

static void check_value(struct checker *c, struct node *n)
{
	check_list(c, n->block.list);
	if (n->block.value)
		check_node(n->block.value, c);
}

/* Has it one value, whenever the probe fires? */
static bool is_known(const struct script *s, const struct node *n)
{
	struct str text;
	int64_t v;
	bool holds;

	if (n->kind == N_TUPLE) {
		for (const struct node *k = n->list; k; k = k->next)
			if (!is_known(s, k))
				return false;
		return true;
	}
	if (n->kind == N_COND && const_condition(s, n->cond.test, &holds))
		return is_known(s, holds ? n->cond.then : n->cond.els);
	return const_value(s, n, &v) || const_condition(s, n, &holds) || literal_text(s, n, &text);
}

static void check_comptime(struct checker *c, const struct node *n)
{
	if (n->comptime && !poisoned(n) && !is_known(c->s, n))
		FAIL(c, n, "comptime", "this is not known while compiling");
}

void check_node(struct node *n, void *ctx)
{
	struct checker *c = ctx;

	if (check_statement(c, n))
		return;
	check_comptime(c, n);
	switch (n->kind) {
	case N_STRING:
		check_literal(c, n);
		break;
	case N_PARAM:
		if (!n->num)
			FAIL(c, n, "param-zero", "the first parameter is $1");
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
	case N_SIZEOF:
		check_sizeof(c, n);
		break;
	case N_TUPLE:
		check_tuple(c, n);
		break;
	case N_RECORD:
		check_record(c, n);
		break;
	case N_FIELD:
		check_node(n->member.base, c);
		break;
	case N_VALUE:
		check_value(c, n);
		break;
	default:
		break;
	}
}

/* let @m = hash(10) must fit what the script does with @m. */
static void check_declared(struct script *s, const struct map *m)
{
	if (!m->declared.end || !is_assigned(m))
		return;
	if (!m->key)
		diag_error(&s->diag, m->declared, "map-declared", "%.*s is declared with a size, but has no keys",
			   STR_ARG(m->name));
	else if (m->agg && !m->per_cpu)
		diag_error(&s->diag, m->declared, "map-declared",
			   "%.*s holds %s(): it must be a percpuhash or percpulruhash", STR_ARG(m->name),
			   agg_name(m->agg));
	else if (!m->agg && m->per_cpu)
		diag_error(&s->diag, m->declared, "map-declared",
			   "%.*s holds no aggregation: it must be a hash or lruhash", STR_ARG(m->name));
}

/* It is made all the same, of some type. Without a declaration it stood in what `if comptime` ruled out. */
static void check_unused(struct script *s, struct map *m)
{
	if (is_assigned(m) || s->diag.nerror)
		return;
	if (m->declared.end)
		diag_warn(&s->diag, m->declared, "map-unused", "%.*s is declared, but never used", STR_ARG(m->name));
	m->key = m->val = &type_int64;
}

/* The same of variables. */
static void settle_unused(struct script *s, struct probe *p)
{
	for (uint32_t i = 0; i < p->vars.n && !s->diag.nerror; i++)
		if (!p->vars.v[i]->type)
			p->vars.v[i]->type = &type_int64;
}

void check(struct script *s)
{
	check_named(s);
	for (uint32_t i = 0; i < s->maps.n; i++)
		check_declared(s, s->maps.v[i]);
	for (uint32_t i = 0; i < s->probes.n; i++) {
		struct checker c = { .s = s, .p = s->probes.v[i] };

		if (c.p->node->probe.pred)
			check_condition(&c, c.p->node->probe.pred);
		check_list(&c, c.p->node->probe.body);
	}
	for (uint32_t i = 0; i < s->maps.n; i++)
		check_unused(s, s->maps.v[i]);
	for (uint32_t i = 0; i < s->probes.n; i++)
		settle_unused(s, s->probes.v[i]);
}
