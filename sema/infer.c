// SPDX-License-Identifier: Apache-2.0
/*
 * Types: of every expression, of variables and of maps, over the whole script at once.
 *
 * A map may be read in a probe that stands before the one that writes it, so the passes over the
 * script repeat until nothing changes. Nothing is reported here: where two uses disagree the first
 * one's type stays, and check.c finds the other. A type that is still NULL afterwards is a map that
 * nobody assigns.
 *
 * Integers are 64 bits wide wherever they are computed or stored: a type's width says what values
 * there can be, and what bswap() takes. A non-negative literal is "soft": it takes the signedness of
 * what it meets.
 */
#include "sema/infer.h"

#include <string.h>

static bool is_soft(const struct inference *in, const struct node *n)
{
	int64_t v;

	return (!n->type || n->type != &type_uint64) && const_value(in->s, n, &v) && v >= 0;
}

/* Lets a map's or variable's type hold one more value. */
static void widen(struct inference *in, const struct type **held, bool *soft,
		  const struct type *value, bool value_soft)
{
	const struct type *joined;

	/* A wrong value is told where it stands; poisoned by it, `$t = $t->typo` would silence itself. */
	if (!value || value->kind == T_VOID || (*held && value->kind == T_ERROR))
		return;
	/* Truth values and numbers, mixed, are numbers, as all were before there was bool. */
	if (!*held || (*soft && !value_soft && type_is_integer(*held) && value->kind == T_INT))
		joined = value;
	else if (value_soft && (*held)->kind == T_INT && !type_is_enum(*held) && value->kind == T_INT)
		joined = *held;
	else
		joined = type_join(&in->s->types, *held, value);
	*soft = value_soft && (!*held || *soft);
	if (!joined || joined == *held)
		return;
	*held = joined;
	in->changed = true;
}

/* ---- expressions ------------------------------------------------------------------------ */

const struct type *named_type(struct script *s, const char *name)
{
	static const struct { const char *name; const struct type *type; } names[] = {
		{ "int8", &type_int8 },     { "int16", &type_int16 },   { "int32", &type_int32 },
		{ "int64", &type_int64 },   { "uint8", &type_uint8 },   { "uint16", &type_uint16 },
		{ "uint32", &type_uint32 }, { "uint64", &type_uint64 }, { "int", &type_int32 },
		{ "bool", &type_bool },     { "void", &type_void },     { "ksym", &type_ksym },
		{ "usym", &type_usym },
		{ "username", &type_username }, { "strerror", &type_strerror }, { "signal", &type_signal },
		{ "syscall", &type_syscall }, { "macaddr", &type_macaddr }, { "inet", &type_inet },
	};

	for (size_t i = 0; i < LEN(names); i++)
		if (!strcmp(names[i].name, name))
			return names[i].type;
	return !strcmp(name, "string[16]") ? type_string(&s->types, 16) : NULL;
}

static const struct type *probe_text_type(struct inference *in)
{
	size_t longest = 0;

	for (uint32_t i = 0; i < in->p->points.n; i++)
		for (uint32_t k = 0; k < in->p->points.v[i].targets.n; k++) {
			size_t n = strlen(in->p->points.v[i].targets.v[k].text);

			longest = n > longest ? n : longest;
		}
	return type_string(&in->s->types, (uint32_t)longest + 1);
}

/* A user's function is known by name when the program is made; a kernel's by its address. */
static const struct type *function_type(struct inference *in)
{
	size_t longest = 0;

	if (!(in->p->provides & IS_USER))
		return &type_ksym;
	for (uint32_t i = 0; i < in->p->points.n; i++)
		for (uint32_t k = 0; k < in->p->points.v[i].targets.n; k++) {
			size_t n = strlen(in->p->points.v[i].targets.v[k].name);

			longest = n > longest ? n : longest;
		}
	return type_string(&in->s->types, (uint32_t)longest + 1);
}

/* Where BTF tells, what the functions return; else a register's value. */
static const struct type *retval_type(struct inference *in)
{
	const struct type *joined = NULL;

	for (uint32_t i = 0; i < in->p->points.n; i++)
		for (uint32_t k = 0; k < in->p->points.v[i].targets.n; k++) {
			struct attach_point *ap = &in->p->points.v[i];
			struct target *t = &ap->targets.v[k];
			const struct type *known;

			if (ap->kind->args)
				ap->kind->args(in->s, t);
			known = t->retval ? t->retval : &type_uint64;
			joined = joined && joined != known ? &type_uint64 : known;
		}
	return joined ? joined : &type_error;
}

static const struct type *infer_name(struct inference *in, struct node *n)
{
	const struct builtin *fn = n->name.fn;

	if (!fn)
		return &type_error;
	if (fn->id == B_probe)
		return probe_text_type(in);
	if (fn->id == B_probetype)
		return type_string(&in->s->types, 16);
	if (fn->id == B_func)
		return function_type(in);
	if (fn->id == B_retval)
		return retval_type(in);
	/* Only their fields have values. */
	if (fn->id == B_args)
		return in->p->provides & HAS_ARGS && !in->p->lost ? &type_void : &type_error;
	if (fn->id == B_ctx)
		return in->p->provides & HAS_CTX && !in->p->lost ? &type_void : &type_error;
	if (fn->id == B_curtask)
		return type_pointer(&in->s->types, ctype_shell(in->s, "task_struct"), SPACE_KERNEL);
	return named_type(in->s, fn->result);
}

/* Its type as a member. */
static const struct type *member_type(struct inference *in, const struct node *n)
{
	return n->type == &type_int64 && is_soft(in, n) ? &type_soft : n->type;
}

/* The same of what is read from one. */
static const struct type *read_member(const struct field *f)
{
	return f->type == &type_soft ? &type_int64 : f->type;
}

static const struct type *key_type(struct inference *in, struct node *key)
{
	const struct type **member = arena_alloc(&in->s->work, (list_length(key) + 1) * sizeof *member);
	uint32_t n = 0;
	bool known = true;

	for (struct node *k = key; k; k = k->next) {
		known &= infer_node(in, k) != NULL;
		member[n++] = known ? member_type(in, k) : NULL;
	}
	if (!known || n <= 1)
		return known && n ? key->type : NULL;
	return n > MEMBERS_MAX ? &type_error : type_tuple(&in->s->types, member, n);
}

/* What a map's value is to those who read it. */
static const struct type *read_type(struct inference *in, const struct map *m)
{
	static const struct str names[] = { STR("count"), STR("average"), STR("total") };
	const struct type *members[] = { &type_uint64, m->val, m->val };

	return m->agg == AGG_STATS && m->val ? type_record(&in->s->types, members, names, 3) : m->val;
}

static const struct type *infer_map(struct inference *in, struct node *n)
{
	const struct type *key = key_type(in, n->map.key);
	const struct type *before = n->map.map->key;
	bool changed = in->changed;

	if (key && key->kind != T_VOID) {
		widen(in, &n->map.map->key, &n->map.map->key_soft, key,
		      n->map.key && is_soft(in, n->map.key));
		n->map.map->key = fit_key(in->s, n->map.map);
		in->changed = changed || n->map.map->key != before;
	}
	return read_type(in, n->map.map);
}

/* A pointer moves by the size of what it points to. */
static const struct type *moved(struct inference *in, const struct type *pointer)
{
	ctype_complete(in->s, pointer->of);
	return pointer;
}

static const struct type *infer_arithmetic(struct inference *in, struct node *n, const struct type *l,
					   const struct type *r)
{
	bool unsigned_l = !l->sign || is_soft(in, n->bin.l);
	bool unsigned_r = !r->sign || is_soft(in, n->bin.r);
	bool both_soft = is_soft(in, n->bin.l) && is_soft(in, n->bin.r);

	if (l->kind == T_ERROR || r->kind == T_ERROR)
		return &type_error;
	if (l->kind == T_POINTER && type_is_integer(r) && (n->bin.op == O_ADD || n->bin.op == O_SUB))
		return moved(in, l);
	if (r->kind == T_POINTER && type_is_integer(l) && n->bin.op == O_ADD)
		return moved(in, r);
	if (n->bin.op == O_SUB || both_soft)
		return &type_int64;
	if (n->bin.op == O_SHL || n->bin.op == O_SHR)
		return type_int(8, l->sign);
	return unsigned_l && unsigned_r ? &type_uint64 : &type_int64;
}

static const struct type *infer_binary(struct inference *in, struct node *n)
{
	const struct type *l = infer_node(in, n->bin.l), *r = infer_node(in, n->bin.r);

	if (n->bin.op >= O_EQ && n->bin.op <= O_LOR)
		return &type_bool;
	return l && r ? infer_arithmetic(in, n, l, r) : NULL;
}

/* What is read from somebody's memory: pointers in it lead to the same memory, if nothing else is known. */
static const struct type *remote_type(struct inference *in, const struct type *t, enum space space)
{
	ctype_complete(in->s, t);
	return t->kind == T_POINTER && t->space == SPACE_NONE ? type_pointer(&in->s->types, t->of, space) : t;
}

/* What a pointer or array leads to; nothing, if that is void. */
static const struct type *pointed_type(struct inference *in, const struct node *n, const struct type *t)
{
	return t->of->kind == T_VOID ? &type_error : remote_type(in, t->of, remote_space(n));
}

static const struct type *infer_address(struct inference *in, const struct node *e)
{
	if (e->type->kind == T_ERROR)
		return e->type;
	return is_remote(e) ? type_pointer(&in->s->types, e->type, remote_space(e)) : &type_error;
}

static const struct type *infer_unary(struct inference *in, struct node *n)
{
	const struct type *t = infer_node(in, n->un.e);

	if (n->un.op == O_NOT)
		return &type_bool;
	if (!t || t->kind == T_ERROR)
		return t;
	if (n->un.op == O_DEREF)
		return t->kind == T_POINTER ? pointed_type(in, n, t) : &type_uint64;
	if (n->un.op == O_ADDRESS)
		return infer_address(in, n->un.e);
	if (n->un.op == O_NEG && n->un.e->kind == N_NUM && !type_is_enum(t))
		return &type_int64;
	if (t->kind == T_INT && !t->sign && !type_is_enum(t))
		return type_int(t->size, false);
	return t->sign || t->kind == T_BOOL ? &type_int64 : &type_uint64;
}

/* The type of $1: as if what was given stood there. */
static const struct type *infer_param(struct inference *in, const struct node *n)
{
	struct str text = param_text(in->s, n->num);
	int64_t v;

	if (!param_number(in->s, n->num, &v))
		return type_string(&in->s->types, text.len + 1);
	return v < 0 && text.s[0] != '-' ? &type_uint64 : &type_int64;
}

/* One more value of a variable or element. */
static void store(struct inference *in, const struct node *to, const struct type *t, bool soft)
{
	if (to->kind == N_VAR && !to->var.var->declared)
		widen(in, &to->var.var->type, &to->var.var->soft, t, soft);
	else if (to->kind == N_MAP && to->map.map->agg == AGG_NONE)
		widen(in, &to->map.map->val, &to->map.map->soft, t, soft);
}

/* The same of $x += n. It widens $x to 64 bits, and $x -= n makes it signed, as $x = $x - n does. */
static void store_compound(struct inference *in, const struct node *to, const struct type *n,
			   enum operator op, bool soft)
{
	const struct type *held = to->type;
	bool own_sign = soft || op == O_SHL || op == O_SHR;

	if (!held || !n || !type_is_integer(held) || !type_is_integer(n))
		store(in, to, held && held->kind == T_POINTER ? held : n, soft);
	else if (op == O_SUB)
		store(in, to, &type_int64, false);
	else
		store(in, to, type_int(8, (own_sign ? held : n)->sign), soft && held->size == 8);
}

static const struct type *infer_step(struct inference *in, struct node *n)
{
	const struct type *t = infer_node(in, n->un.e);
	struct node *e = n->un.e;

	/* An element that is only counted up is an integer. */
	if (!t)
		store(in, e, &type_int64, false);
	else if (type_is_integer(t))
		store_compound(in, e, &type_int64, n->un.op, true);
	return t;
}

static const struct type *infer_cond(struct inference *in, struct node *n)
{
	const struct type *then, *els;

	then = infer_node(in, n->cond.then);
	els = infer_node(in, n->cond.els);
	if (!then || !els)
		return then ? then : els;
	if (is_soft(in, n->cond.then) && type_is_integer(els) && !type_is_enum(els))
		return els;
	if (is_soft(in, n->cond.els) && type_is_integer(then) && !type_is_enum(then))
		return then;
	then = type_join(&in->s->types, then, els);
	return then ? then : &type_error;
}

const struct field *args_field(struct script *s, const struct attach_point *ap, struct target *t,
			       struct str name)
{
	const struct type *args = ap->kind->args ? ap->kind->args(s, t) : NULL;

	return args ? type_field(args, name) : NULL;
}

static const struct type *infer_args_field(struct inference *in, struct node *n)
{
	const struct type *joined = NULL;

	for (uint32_t i = 0; i < in->p->points.n; i++) {
		struct attach_point *ap = &in->p->points.v[i];

		for (uint32_t k = 0; k < ap->targets.n; k++) {
			const struct field *f = args_field(in->s, ap, &ap->targets.v[k],
							   n->member.name);

			if (!f)
				return &type_error;
			joined = joined ? type_join(&in->s->types, joined, f->type) : f->type;
			if (!joined)
				return &type_error;
		}
	}
	return joined ? joined : &type_error;
}

bool for_tuple(const struct node *n)
{
	const struct node *over = n->loop.test;

	return !n->loop.end && (over->kind != N_MAP || over->map.key) && over->type && over->type->kind == T_TUPLE;
}

bool is_args(const struct node *n)
{
	return n->kind == N_NAME && n->name.fn && (n->name.fn->id == B_args || n->name.fn->id == B_ctx);
}

const struct field *member_field(struct script *s, const struct node *n)
{
	const struct type *t = n->member.base->type;

	if (t->kind == T_POINTER)
		t = t->of;
	ctype_complete(s, t);
	return t->kind == T_STRUCT || t == n->member.base->type ? type_field(t, n->member.name) : NULL;
}

bool is_remote(const struct node *n)
{
	switch (n->kind) {
	case N_UNARY:
		return n->un.op == O_DEREF;
	case N_MEMBER:
		return is_args(n->member.base) || n->member.base->type->kind == T_POINTER ||
		       is_remote(n->member.base);
	case N_INDEX:
		return n->bin.l->type->kind == T_POINTER || is_remote(n->bin.l);
	default:
		return false;
	}
}

enum space remote_space(const struct node *n)
{
	const struct node *base;

	switch (n->kind) {
	case N_UNARY:
		return n->un.e->type->kind == T_POINTER ? n->un.e->type->space : SPACE_NONE;
	case N_MEMBER:
		base = n->member.base;
		break;
	case N_INDEX:
		base = n->bin.l;
		break;
	default:
		return SPACE_NONE;
	}
	if (is_args(base))
		return SPACE_KERNEL;
	return base->type->kind == T_POINTER ? base->type->space : remote_space(base);
}

static const struct type *infer_member(struct inference *in, struct node *n)
{
	const struct type *base = infer_node(in, n->member.base);
	const struct field *f;

	if (is_args(n->member.base))
		return infer_args_field(in, n);
	if (!base)
		return NULL;
	f = member_field(in->s, n);
	if (!f)
		return &type_error;
	return base->kind == T_TUPLE ? read_member(f) : remote_type(in, f->type, remote_space(n));
}

static const struct type *infer_index(struct inference *in, struct node *n)
{
	const struct type *base = infer_node(in, n->bin.l);
	int64_t i;

	infer_node(in, n->bin.r);
	if (!base)
		return NULL;
	if (base->kind == T_TUPLE && const_value(in->s, n->bin.r, &i) && i >= 0 && i < base->nfields)
		return read_member(&base->fields[i]);
	if (base->kind == T_STRING)
		return &type_int8;
	return base->kind == T_ARRAY || base->kind == T_POINTER ? pointed_type(in, n, base) : &type_error;
}

static const struct type *infer_cast(struct inference *in, struct node *n)
{
	const struct type *t = n->cast.of ? infer_node(in, n->cast.of) : n->cast.to;
	const struct type *from = infer_node(in, n->cast.e);
	enum space space = from && from->kind == T_POINTER ? from->space : SPACE_NONE;

	if (!t)
		return n->cast.of ? NULL : &type_error;
	for (uint32_t i = 0; i < n->cast.stars; i++)
		t = type_pointer(&in->s->types, t, SPACE_NONE);
	return t->kind == T_VOID ? &type_error : remote_type(in, t, space);
}

static const struct type *infer_sizeof(struct inference *in, struct node *n)
{
	n->cast.to = infer_node(in, n->cast.e);
	return &type_uint64;
}

static const struct type *infer_tuple(struct inference *in, struct node *n)
{
	const struct type *t = n->list ? key_type(in, n->list) : type_tuple(&in->s->types, NULL, 0);

	if (!t || !n->list || n->list->next)
		return t;
	/* One member is still a tuple. */
	t = member_type(in, n->list);
	return type_tuple(&in->s->types, &t, 1);
}

static const struct type *infer_record(struct inference *in, struct node *n)
{
	const struct type **member;
	VEC(struct str) names = { 0 };
	uint32_t count = 0;

	for (struct node *f = n->list; f; f = f->next)
		count++;
	member = arena_alloc(&in->s->work, (count + 1) * sizeof *member);
	for (struct node *f = n->list; f; f = f->next) {
		f->type = infer_node(in, f->member.base);
		if (!f->type)
			return NULL;
		member[names.n] = member_type(in, f->member.base);
		*vec_push(&in->s->work, &names) = f->member.name;
	}
	return type_record(&in->s->types, member, names.v, count);
}

static const struct type *infer_value(struct inference *in, struct node *n)
{
	for (struct node *k = n->block.list; k; k = k->next)
		infer_node(in, k);
	return n->block.value ? infer_node(in, n->block.value) : &type_void;
}

static const struct type *infer_expr(struct inference *in, struct node *n)
{
	switch (n->kind) {
	case N_NUM:
		if (n->of)
			return n->of;
		return n->num > INT64_MAX ? &type_uint64 : &type_int64;
	case N_STRING:
		return type_string(&in->s->types, n->str.len + 1);
	case N_PARAM:
		return infer_param(in, n);
	case N_NPARAMS:
		return &type_int64;
	case N_NAME:
		return infer_name(in, n);
	case N_CALL:
		return infer_call(in, n);
	case N_MAP:
		return infer_map(in, n);
	case N_VAR:
		return n->var.var->type;
	case N_BINARY:
		return infer_binary(in, n);
	case N_UNARY:
		return infer_unary(in, n);
	case N_STEP:
		return infer_step(in, n);
	case N_COND:
		return infer_cond(in, n);
	case N_MEMBER:
		return infer_member(in, n);
	case N_INDEX:
		return infer_index(in, n);
	case N_CAST:
		return infer_cast(in, n);
	case N_SIZEOF:
		return infer_sizeof(in, n);
	case N_TUPLE:
		return infer_tuple(in, n);
	case N_RECORD:
		return infer_record(in, n);
	case N_VALUE:
		return infer_value(in, n);
	default:
		return &type_void;
	}
}

/* ---- statements ------------------------------------------------------------------------- */

const struct builtin *aggregation_of(const struct node *value)
{
	return value->kind == N_CALL && value->call.fn && value->call.fn->form == FORM_AGG
		       ? value->call.fn
		       : NULL;
}

enum agg_kind agg_of_builtin(enum builtin_id id)
{
	/* The rows of maps.def and the AGG rows of builtins.def have the same order. */
	return id >= B_count && id <= B_tseries ? (enum agg_kind)(AGG_COUNT + (id - B_count)) : AGG_NONE;
}

_Static_assert(B_tseries - B_count == AGG_TSERIES - AGG_COUNT, "builtins.def and maps.def disagree");

struct tseries tseries_of(const struct script *s, const struct node *call)
{
	const struct node *interval = call->call.args->next, *n = interval ? interval->next : NULL;
	struct tseries t = { .interval = 1, .n = 1 };
	struct str word;
	int64_t v;

	if (interval && const_value(s, interval, &v) && v > 0)
		t.interval = (uint64_t)v;
	if (n && const_value(s, n, &v) && v > 0 && v <= TSERIES_MAX_INTERVALS)
		t.n = (uint32_t)v;
	if (n && n->next && literal_text(s, n->next, &word))
		tseries_how(word, &t.how);
	return t;
}

static void infer_shape(struct inference *in, struct map *m, const struct node *arg)
{
	int64_t v[3] = { 0 };

	for (uint32_t i = 0; i < 3 && arg && arg->next; i++) {
		arg = arg->next;
		const_value(in->s, arg, &v[i]);
	}
	if (m->agg == AGG_HIST)
		m->hist.bits = v[0] >= 0 && v[0] <= HIST_BITS_MAX ? (uint32_t)v[0] : 0;
	else if (m->agg == AGG_LHIST)
		m->hist = (struct hist_shape){ .min = v[0], .max = v[1], .step = v[2] };
}

static void infer_aggregation(struct inference *in, struct map *m, struct node *call)
{
	const struct node *arg = call->call.args;
	const struct type *t = arg ? arg->type : &type_uint64;

	if (m->agg == AGG_NONE && !m->val) {
		m->agg = agg_of_builtin(call->call.fn->id);
		infer_shape(in, m, arg);
		if (m->agg == AGG_TSERIES && arg)
			m->series = tseries_of(in->s, call);
		in->changed = true;
	}
	if (t && type_is_integer(t) && !m->val) {
		m->val = type_int(8, t->sign);
		in->changed = true;
	}
}

static void infer_assign(struct inference *in, struct node *n)
{
	struct node *l = n->bin.l;

	infer_node(in, n->bin.r);
	infer_node(in, l);
	if (l->kind == N_MAP && aggregation_of(n->bin.r)) {
		infer_aggregation(in, l->map.map, n->bin.r);
		l->type = l->map.map->val;
		return;
	}
	if (n->bin.compound)
		store_compound(in, l, n->bin.r->type, n->bin.op, is_soft(in, n->bin.r));
	else
		store(in, l, n->bin.r->type, is_soft(in, n->bin.r));
	l->type = l->kind == N_VAR ? l->var.var->type : l->map.map->val;
}

/* What `for` goes over gives its variable: a number, a tuple of key and value, or a member. */
static void infer_for(struct inference *in, struct node *n)
{
	struct var *v = n->loop.var->var.var;
	const struct map *m = n->loop.test->kind == N_MAP ? n->loop.test->map.map : NULL;

	if (n->loop.end) {
		infer_node(in, n->loop.test);
		infer_node(in, n->loop.end);
		widen(in, &v->type, &v->soft, &type_int64, false);
	} else if (m && m->key && m->val) {
		const struct type *pair[] = { m->key, m->val };
		const struct type *t = type_tuple(&in->s->types, pair, 2);

		in->changed |= t != v->type;
		v->type = t;
	} else if (!m) {
		const struct type *t = infer_node(in, n->loop.test);

		for (uint32_t i = 0; t && t->kind == T_TUPLE && i < t->nfields; i++)
			widen(in, &v->type, &v->soft, read_member(&t->fields[i]), false);
	}
	n->loop.var->type = v->type;
	for (struct node *k = n->loop.body; k; k = k->next)
		infer_node(in, k);
}

static void infer_child(struct node *n, void *ctx)
{
	infer_node(ctx, n);
}

static void infer_let(struct inference *in, struct node *n)
{
	struct var *v = n->let.var->var.var;

	ast_children(n, infer_child, in);
	if (n->let.of && v->type != n->let.of->type) {
		v->type = n->let.of->type;
		in->changed = true;
	}
}

/* Sizes and signs may still change while the types of variables and maps are found. */
static void find_unsettled(struct node *n, void *found)
{
	const struct builtin *fn = n->kind == N_CALL ? n->call.fn : NULL;

	*(bool *)found |= n->kind == N_SIZEOF ||
			  (fn && (fn->id == B_is_unsigned_integer || fn->id == B_strcap));
	ast_children(n, find_unsettled, found);
}

static bool is_choice(const struct node *n)
{
	return n->kind == N_IF || n->kind == N_COND;
}

/* `if comptime` about types. False: it is not known yet which branch counts. */
static bool infer_choice(struct inference *in, struct node *n)
{
	while (is_choice(n)) {
		struct node *test = n->cond.test;
		bool unsettled = false, holds;

		infer_node(in, test);
		if (!test->comptime)
			return true;
		find_unsettled(test, &unsettled);
		if (!in->settled && (unsettled || !const_condition(in->s, test, &holds))) {
			in->postponed = true;
			return false;
		}
		if (!comptime_choose(in->s, n))
			return true;
	}
	return true;
}

const struct type *infer_node(struct inference *in, struct node *n)
{
	if (!infer_choice(in, n))
		return NULL;
	switch (n->kind) {
	case N_ASSIGN:
		infer_assign(in, n);
		break;
	case N_FOR:
		infer_for(in, n);
		break;
	case N_LET:
		infer_let(in, n);
		break;
	case N_EXPR:
	case N_DISCARD:
	case N_RETURN:
	case N_BLOCK:
	case N_IF:
	case N_UNROLL:
	case N_WHILE:
	case N_PROBE:
		ast_children(n, infer_child, in);
		break;
	default:
		break;
	}
	n->type = infer_expr(in, n);
	return n->type;
}

static void infer_all(struct inference *in)
{
	do {
		in->changed = false;
		for (uint32_t i = 0; i < in->s->probes.n; i++) {
			in->p = in->s->probes.v[i];
			infer_node(in, in->p->node);
		}
	} while (in->changed);
}

/* An aggregation of its own values and no others, such as @a = max(@a), says nothing of their sign. */
static bool settle_circles(struct script *s)
{
	bool any = false;

	for (uint32_t i = 0; i < s->maps.n; i++) {
		struct map *m = s->maps.v[i];

		if (m->agg != AGG_NONE && !m->val) {
			m->val = &type_int64;
			any = true;
		}
	}
	return any;
}

void infer(struct script *s)
{
	struct inference in = { .s = s };

	do {
		in.settled = in.postponed;
		do
			infer_all(&in);
		while (settle_circles(s));
	} while (in.settled != in.postponed);
}
