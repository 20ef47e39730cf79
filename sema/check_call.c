// SPDX-License-Identifier: Apache-2.0
/*
 * The rules of calls: number and kinds of arguments, printf's formats, and the aggregations, which are
 * calls that only a map takes.
 */
#include "sema/check.h"

#include <ctype.h>
#include <string.h>

/* ---- printf ----------------------------------------------------------------------------- */

static bool conversion_takes(const struct conversion *v, const struct type *t)
{
	switch (v->conv) {
	case 's':
		return true;
	case 'r':
		if (v->variant == 'g')
			return type_is_integer(t);
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

void check_printf(struct checker *c, struct node *n)
{
	struct node *arg = n->call.args->next;
	uint32_t pos = 0, wanted = 0, given = 0;
	struct conversion v, odd = { .end = 0 };
	struct str fmt;

	if (!literal_text(c->s, n->call.args, &fmt))
		return;
	for (struct node *a = arg; a; a = a->next)
		given++;
	while (format_next(fmt, &pos, &v)) {
		if (!v.conv) {
			odd = v;
			continue;
		}
		wanted += (v.conv != '%') + v.star_width + v.star_precision;
		if (wanted <= given)
			arg = check_conversion(c, &v, fmt, arg);
	}
	/* What is no conversion is text: "50%\n". */
	if (odd.end && (wanted != given || odd.width == -2 || odd.precision == -2))
		FAIL(c, n->call.args, "printf-format", "'%.*s' is no conversion of printf",
		     (int)(odd.end - odd.beg - iscntrl((unsigned char)fmt.s[odd.end - 1])), fmt.s + odd.beg);
	else if (wanted != given)
		FAIL(c, n, "printf-count", "the format has %u conversion%s, %u argument%s given", wanted,
		     wanted == 1 ? "" : "s", given, given == 1 ? " is" : "s are");
}

/* ---- pinned iterators ------------------------------------------------------------------- */

enum { KERNEL_VALUES = 12 }; /* MAX_BPRINTF_VARARGS, include/linux/bpf.h */

/* What the kernel's own printf has of a conversion; it is it that prints there. */
static bool kernel_prints(const struct conversion *v, const struct type *t)
{
	if (v->star_width || v->precision >= 0 || v->star_precision || v->alt || v->length < 4 ||
	    (v->conv == 'p' && v->width > 0))
		return false;
	if (v->conv == 's')
		return t->kind == T_STRING;
	return strchr("diuxXp", v->conv) && (type_is_integer(t) || t->kind == T_POINTER);
}

static void check_kernel_printf(struct checker *c, struct node *n)
{
	struct node *arg = n->call.args->next;
	uint32_t pos = 0, count = 0;
	struct conversion v;
	struct str fmt;

	literal_text(c->s, n->call.args, &fmt);
	for (uint32_t i = 0; i < fmt.len; i++)
		if (fmt.s[i] & 0x80) {
			FAIL(c, n->call.args, "iter-printf", "the kernel's printf takes ASCII only");
			return;
		}
	while (format_next(fmt, &pos, &v)) {
		if (!v.conv || v.conv == '%' || !arg)
			continue;
		if (!poisoned(arg) && !kernel_prints(&v, arg->type))
			FAIL(c, arg, "iter-printf", "'%.*s' of %s can't be printed where an iterator is pinned",
			     (int)(v.end - v.beg), fmt.s + v.beg, text_of(c, arg->type));
		if (++count == KERNEL_VALUES + 1)
			FAIL(c, arg, "iter-printf", "the kernel's printf takes at most %d values",
			     KERNEL_VALUES);
		arg = arg->next;
	}
}

static bool is_pinned(const struct probe *p)
{
	for (uint32_t i = 0; i < p->points.n; i++)
		for (uint32_t k = 0; k < p->points.v[i].targets.n; k++)
			if (p->points.v[i].targets.v[k].pin)
				return true;
	return false;
}

/* It runs when xbt has long gone: nobody is there to do what is asked for. */
static void check_pinned(struct checker *c, struct node *n)
{
	uint32_t e;

	if (n->call.fn->id == B_printf) {
		check_kernel_printf(c, n);
	} else if (n->call.fn->effect == EFFECT_EVENT) {
		e = FAIL(c, n, "iter-event", "%s() does nothing where an iterator is pinned: xbt has ended then",
			 n->call.fn->name);
		diag_hint(&c->s->diag, e, "printf() goes to who reads the file");
	}
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
		       t->kind == T_ARRAY || t->kind == T_BUFFER || t->kind == T_STRUCT;
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
		return t->kind != T_VOID;
	case P_WORD:
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
	if (kind == P_WORD) {
		if (builtin_word(call->call.fn, arg) < 0)
			FAIL(c, arg, "word", "'%s' takes one of %s", call->call.fn->name,
			     call->call.fn->params + strspn(call->call.fn->params, "?"));
		return;
	}
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

/* Does "any" mean a map, too? */
static bool takes_maps(const struct builtin *fn)
{
	return fn->id == B_print || fn->id == B_len;
}

/* Was an argument left out of the check of its kind because of what is wrong within it? Then the builtin's
 * own rules can't look at it. */
static bool has_poison(const struct node *call)
{
	enum param_kind kind;
	bool optional;
	uint32_t i = 0;

	for (const struct node *arg = call->call.args; arg; arg = arg->next, i++)
		if (poisoned(arg) && builtin_param(call->call.fn, i, &kind, &optional) && kind != P_WORD &&
		    !(is_whole_map(arg, kind) && (kind != P_ANY || takes_maps(call->call.fn))))
			return true;
	return false;
}

void check_call(struct checker *c, struct node *n)
{
	enum param_kind kind;
	bool optional;
	uint32_t i = 0;

	if (!n->call.fn)
		return;
	for (struct node *arg = n->call.args; arg; arg = arg->next, i++) {
		bool known = builtin_param(n->call.fn, i, &kind, &optional);

		if (known && is_whole_map(arg, kind) && (kind != P_ANY || takes_maps(n->call.fn)))
			ast_children(arg, check_node, c);
		else if (!known || (kind != P_LITERAL && kind != P_WORD) || poisoned(arg))
			check_node(arg, c);
	}
	if (n->call.fn->effect == EFFECT_UNSAFE && !c->s->unsafe) {
		uint32_t e = FAIL(c, n, "unsafe", "%s() changes the system it looks at", n->call.fn->name);

		diag_hint(&c->s->diag, e, "xbt --unsafe allows that");
	}
	if (!check_args(c, n) || has_poison(n))
		return;
	check_builtin(c, n);
	if (is_pinned(c->p))
		check_pinned(c, n);
}

/* ---- aggregations ----------------------------------------------------------------------- */

void check_aggregation(struct checker *c, struct node *n)
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
	} else if (fn->id == B_tseries && arg && arg->next && arg->next->next) {
		struct tseries t = tseries_of(c->s, n->bin.r);

		if (t.interval != m->series.interval || t.n != m->series.n || t.how != m->series.how)
			FAIL(c, n, "aggregation-mix", "%.*s has other intervals elsewhere",
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
