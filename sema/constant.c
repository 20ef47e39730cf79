// SPDX-License-Identifier: Apache-2.0
/*
 * What is known while compiling: literals, parameters, words and functions that are constant, and
 * what operators make of them.
 *
 * All passes from types on ask here, so what is constant for one is constant for all: a loop's bound,
 * a branch that is never taken, an entry of a table.
 */
#include "lexer/lexer.h"
#include "sema/script.h"

#include <string.h>

/* ---- parameters ------------------------------------------------------------------------- */

struct str param_text(const struct script *s, uint64_t number)
{
	return number && number <= s->params_n ? str_of(s->params[number - 1]) : STR("");
}

/* As a script would write it, with a sign. */
static bool number_of(struct str t, int64_t *v)
{
	bool minus = t.len && t.s[0] == '-';
	const char *error;
	uint64_t u = 0;

	if (minus)
		t.s++, t.len--;
	if (!number_parse(t, &u, &error))
		return false;
	*v = (int64_t)(minus ? -u : u);
	return true;
}

bool param_number(const struct script *s, uint64_t number, int64_t *v)
{
	*v = 0;
	return number > s->params_n || number_of(param_text(s, number), v);
}

/* ---- operators -------------------------------------------------------------------------- */

static bool fold_binary(enum operator op, int64_t l, int64_t r, int64_t *v)
{
	switch (op) {
	case O_ADD:
		*v = (int64_t)((uint64_t)l + (uint64_t)r);
		return true;
	case O_SUB:
		*v = (int64_t)((uint64_t)l - (uint64_t)r);
		return true;
	case O_MUL:
		*v = (int64_t)((uint64_t)l * (uint64_t)r);
		return true;
	case O_DIV:
		*v = r == -1 ? (int64_t)-(uint64_t)l : r ? l / r : 0;
		return r != 0;
	case O_MOD:
		*v = r == -1 || !r ? 0 : l % r;
		return r != 0;
	case O_SHL:
		*v = (int64_t)((uint64_t)l << (r & 63));
		return true;
	case O_SHR:
		*v = l >> (r & 63);
		return true;
	case O_AND:
		*v = l & r;
		return true;
	case O_OR:
		*v = l | r;
		return true;
	case O_XOR:
		*v = l ^ r;
		return true;
	default:
		return false;
	}
}

/* Where signed and unsigned differ. */
static bool fold_unsigned(enum operator op, uint64_t l, uint64_t r, int64_t *v)
{
	if ((op == O_DIV || op == O_MOD) && !r)
		return false;
	*v = (int64_t)(op == O_DIV ? l / r : op == O_MOD ? l % r : l >> (r & 63));
	return true;
}

/* true or false, as the grammar makes them. */
static bool is_truth(const struct node *n)
{
	return n->kind == N_CAST && str_is(n->cast.name, "bool") && n->cast.e->kind == N_NUM;
}

static bool compare(enum operator op, int64_t l, int64_t r)
{
	switch (op) {
	case O_EQ: return l == r;
	case O_NE: return l != r;
	case O_LT: return l < r;
	case O_LE: return l <= r;
	case O_GT: return l > r;
	default:   return l >= r;
	}
}

static bool is_large(const struct node *n)
{
	return n->kind == N_NUM && n->num > INT64_MAX;
}

/* A text that is known, whether or not str() makes a string of it. */
static bool const_text(const struct script *s, const struct node *n, struct str *text)
{
	const struct node *arg = n->kind == N_CALL && n->call.fn && n->call.fn->id == B_str ? n->call.args : NULL;

	if (!arg || !literal_text(s, arg, text))
		return literal_text(s, n, text);
	return !arg->next;
}

/* Of two constants, or of two texts that are known. */
static bool const_comparison(const struct script *s, const struct node *n, bool *holds)
{
	struct str a, b;
	int64_t l, r;

	if (n->kind != N_BINARY || n->bin.op < O_EQ || n->bin.op > O_GE)
		return false;
	if (const_value(s, n->bin.l, &l) && const_value(s, n->bin.r, &r)) {
		*holds = compare(n->bin.op, l, r);
		return !is_large(n->bin.l) && !is_large(n->bin.r);
	}
	if (!const_text(s, n->bin.l, &a) || !const_text(s, n->bin.r, &b))
		return false;
	*holds = str_eq(a, b) == (n->bin.op == O_EQ);
	return n->bin.op == O_EQ || n->bin.op == O_NE;
}

static bool fold_node(const struct node *n, int64_t l, int64_t r, int64_t *v)
{
	enum operator op = n->bin.op;

	if ((is_large(n->bin.l) || is_large(n->bin.r)) && (op == O_DIV || op == O_MOD || op == O_SHR))
		return fold_unsigned(op, (uint64_t)l, (uint64_t)r, v);
	return fold_binary(op, l, r, v);
}

/* ---- words and functions ---------------------------------------------------------------- */

bool named_param(const struct script *s, struct str name, struct str *value)
{
	for (uint32_t i = 0; i < s->named_n; i++) {
		struct str p = str_of(s->named[i] + 2);
		uint32_t n = (uint32_t)strcspn(p.s, "=");

		if (n != name.len || memcmp(p.s, name.s, n))
			continue;
		*value = n < p.len ? (struct str){ p.s + n + 1, p.len - n - 1 } : STR("true");
		return true;
	}
	return false;
}

static bool falsehood(struct str text)
{
	return str_is(text, "0") || str_is(text, "false");
}

static bool getopt_text(const struct script *s, const struct node *args, struct str *text)
{
	struct str name;

	return args && args->next && literal_text(s, args, &name) && literal_text(s, args->next, text) &&
	       (named_param(s, name, text) || true);
}

/* getopt(name, default): what was given, as far as it is a number or a bool. */
static bool const_getopt(const struct script *s, const struct node *args, int64_t *v)
{
	struct str name, text, given;

	if (!args || !literal_text(s, args, &name))
		return false;
	if (args->next && literal_text(s, args->next, &text))
		return false;
	if (!named_param(s, name, &given)) {
		*v = 0;
		return !args->next || const_value(s, args->next, v);
	}
	if (!args->next || is_truth(args->next)) {
		*v = !falsehood(given);
		return true;
	}
	return number_of(given, v);
}

static bool const_type_question(enum builtin_id id, const struct node *arg, int64_t *v)
{
	const struct type *t = arg ? arg->type : NULL;

	if (!t || t->kind == T_ERROR)
		return false;
	switch (id) {
	case B_is_str:
		*v = t->kind == T_STRING;
		return true;
	case B_is_ptr:
		*v = t->kind == T_POINTER;
		return true;
	case B_is_array:
		*v = t->kind == T_ARRAY;
		return true;
	case B_is_integer:
		*v = t->kind == T_INT;
		return true;
	case B_is_unsigned_integer:
		*v = t->kind == T_INT && !t->sign;
		return true;
	default:
		return false;
	}
}

static bool const_call(const struct script *s, const struct node *n, int64_t *v)
{
	const struct node *args = n->kind == N_CALL ? n->call.args : NULL;
	struct str text;

	if (!n->call.fn)
		return false;
	switch (n->call.fn->id) {
	case B_getopt:
		return const_getopt(s, args, v);
	case B_has_cpid:
		*v = s->has_command;
		return true;
	case B_ncpus:
		*v = cpus_possible();
		return true;
	case B_is_literal:
		*v = args && (args->kind == N_NUM || literal_text(s, args, &text));
		return args != NULL;
	case B_strcap:
		*v = args && args->type && args->type->kind == T_STRING ? args->type->len : 0;
		return *v != 0;
	default:
		return const_type_question(n->call.fn->id, args, v);
	}
}

bool const_value(const struct script *s, const struct node *n, int64_t *v)
{
	int64_t l, r;

	switch (n->kind) {
	case N_NUM:
		*v = (int64_t)n->num;
		return true;
	case N_PARAM:
		return param_number(s, n->num, v);
	case N_NPARAMS:
		*v = s->params_n;
		return true;
	case N_SIZEOF:
		*v = n->cast.to ? n->cast.to->size : 0;
		return n->cast.to != NULL;
	case N_UNARY:
		if ((n->un.op != O_NEG && n->un.op != O_BNOT) || !const_value(s, n->un.e, &l))
			return false;
		*v = n->un.op == O_NEG ? (int64_t)-(uint64_t)l : ~l;
		if (n->type && n->type->kind == T_INT && n->type->size < 8)
			*v &= (int64_t)((1ULL << 8 * n->type->size) - 1);
		return true;
	case N_BINARY:
		return const_value(s, n->bin.l, &l) && const_value(s, n->bin.r, &r) &&
		       fold_node(n, l, r, v);
	case N_NAME:
	case N_CALL:
		return const_call(s, n, v);
	case N_CAST:
		return is_truth(n) && const_value(s, n->cast.e, v);
	case N_VALUE:
		return !n->block.list && n->block.value && const_value(s, n->block.value, v);
	default:
		return false;
	}
}

bool const_condition(const struct script *s, const struct node *n, bool *holds)
{
	bool left, right;
	int64_t v;

	if (n->kind == N_UNARY && n->un.op == O_NOT && const_condition(s, n->un.e, &left)) {
		*holds = !left;
		return true;
	}
	if (n->kind == N_BINARY && (n->bin.op == O_LAND || n->bin.op == O_LOR)) {
		bool decides = n->bin.op == O_LOR, known = const_condition(s, n->bin.l, &left);

		if (known && left == decides) {
			*holds = decides;
			return true;
		}
		*holds = const_condition(s, n->bin.r, &right) && right;
		return known && const_condition(s, n->bin.r, &right);
	}
	if (const_comparison(s, n, holds))
		return true;
	if (!const_value(s, n, &v))
		return false;
	*holds = v != 0;
	return true;
}

bool comptime_choose(const struct script *s, struct node *n)
{
	struct node *next = n->next;
	bool holds, comptime = n->comptime;

	if (!n->cond.test->comptime || !const_condition(s, n->cond.test, &holds))
		return false;
	if (n->kind == N_IF) {
		*(holds ? &n->cond.els : &n->cond.then) = NULL;
		return false;
	}
	*n = *(holds ? n->cond.then : n->cond.els);
	n->next = next;
	n->comptime |= comptime;
	return true;
}

bool literal_text(const struct script *s, const struct node *n, struct str *text)
{
	if (n->kind == N_STRING)
		*text = n->str;
	else if (n->kind == N_PARAM)
		*text = param_text(s, n->num);
	else if (n->kind == N_CALL && n->call.fn && n->call.fn->id == B_getopt)
		return getopt_text(s, n->call.args, text);
	else
		return false;
	return true;
}

struct str literal_cut(const struct script *s, const struct node *arg, struct str text)
{
	int64_t n;

	if (arg->next && const_value(s, arg->next, &n) && n >= 0 && n < text.len)
		text.len = (uint32_t)n;
	return text;
}
