// SPDX-License-Identifier: Apache-2.0
/*
 * Types of calls. Most rows of builtins.def name the type; the functions here are for those whose type
 * depends on their arguments.
 */
#include "sema/infer.h"

/* The capacity that str(_, len) or buf(_, len) asks for. */
static uint32_t wanted_length(struct inference *in, const struct node *len)
{
	int64_t v;

	if (len && const_value(in->s, len, &v) && v >= 0 && v < in->s->config.max_strlen)
		return v ? (uint32_t)v : 1;
	return in->s->config.max_strlen;
}

static const struct type *infer_str(struct inference *in, const struct node *args)
{
	struct str text;

	if (literal_text(in->s, args, &text))
		return type_string(&in->s->types, literal_cut(in->s, args, text).len + 1);
	if (args->type && args->type->kind == T_STRING && !args->next)
		return args->type;
	if (!args->next)
		return type_string(&in->s->types, in->s->config.max_strlen + 1);
	return type_string(&in->s->types, wanted_length(in, args->next));
}

static const struct type *infer_buf(struct inference *in, const struct node *args)
{
	const struct type *t = args->type;
	uint32_t wanted = wanted_length(in, args->next);

	if (!args->next && t && (t->kind == T_ARRAY || t->kind == T_STRING || t->kind == T_BUFFER))
		return type_buffer(&in->s->types, t->size);
	/* Behind a value of the script's own lies what is none of its business. */
	if (t && (t->kind == T_ARRAY || t->kind == T_STRING) && !is_remote(args) && t->size && t->size < wanted)
		wanted = t->size;
	return type_buffer(&in->s->types, wanted);
}

static const struct type *infer_getopt(struct inference *in, const struct node *n)
{
	struct str text;

	if (!n->call.args->next)
		return &type_bool;
	if (literal_text(in->s, n, &text))
		return type_string(&in->s->types, text.len + 1);
	return n->call.args->next->type;
}

/* bswap() keeps the width. */
static const struct type *infer_bswap(struct inference *in, const struct node *arg)
{
	int64_t v;

	if (!arg->type || !type_is_integer(arg->type))
		return arg->type ? &type_error : NULL;
	return type_int((const_value(in->s, arg, &v) ? literal_type(v) : arg->type)->size, false);
}

const struct type *literal_type(int64_t v)
{
	return v == (int8_t)v ? &type_int8 : v == (int16_t)v ? &type_int16 : v == (int32_t)v ? &type_int32
												: &type_int64;
}

static const struct type *infer_space(struct inference *in, const struct node *arg, enum space space)
{
	const struct type *t = arg->type;

	if (!t || t->kind == T_ERROR)
		return t;
	return type_pointer(&in->s->types, t->kind == T_POINTER ? t->of : &type_void, space);
}

static const struct type *infer_concat(struct inference *in, const struct node *args)
{
	const struct type *a = args->type, *b = args->next ? args->next->type : NULL;
	uint32_t most = in->s->config.max_strlen;

	if (!a || !b)
		return NULL;
	if (a->kind != T_STRING || b->kind != T_STRING)
		return &type_error;
	return type_string(&in->s->types, a->len + b->len - 1 < most ? a->len + b->len - 1 : most);
}

static const struct type *infer_pton(struct inference *in, const struct node *arg)
{
	struct str text = { "", 0 };
	uint8_t bytes[16];

	literal_text(in->s, arg, &text);
	return type_array(&in->s->types, &type_uint8, address_bytes(text, bytes) == 16 ? 16 : 4, SPACE_KERNEL);
}

/* Those whose result depends on their arguments, once more. */
static const struct type *infer_function(struct inference *in, const struct node *n)
{
	const struct node *args = n->call.args;
	struct str glob = STR("*");

	switch (n->call.fn->id) {
	case B_getopt:
		return infer_getopt(in, n);
	case B_path:
		return type_string(&in->s->types, wanted_length(in, args->next));
	case B_bswap:
		return infer_bswap(in, args);
	case B_percpu_kaddr:
		return type_pointer(&in->s->types, &type_uint64, SPACE_KERNEL);
	case B_kptr:
		return infer_space(in, args, SPACE_KERNEL);
	case B_uptr:
		return infer_space(in, args, SPACE_USER);
	case B_str_concat:
		return infer_concat(in, args);
	case B_pton:
		return infer_pton(in, args);
	case B_cgroup_path:
		if (args->next)
			literal_text(in->s, args->next, &glob);
		return type_cgroup(&in->s->types, glob);
	default:
		return &type_error;
	}
}

const struct type *infer_call(struct inference *in, struct node *n)
{
	const struct builtin *fn = n->call.fn;
	struct node *args = n->call.args;
	struct str text;

	for (struct node *arg = args; arg; arg = arg->next)
		infer_node(in, arg);
	if (!fn)
		return &type_error;
	if (fn->result[0])
		return named_type(in->s, fn->result);
	if (fn->id == B_uaddr)
		return args && literal_text(in->s, args, &text) ? uaddr_type(in->s, in->p, text) : &type_error;
	if (fn->form == FORM_BOTH)
		return stack_type(in->s, n);
	if (!args)
		return &type_error;
	switch (fn->id) {
	case B_str:
		return infer_str(in, args);
	case B_buf:
		return infer_buf(in, args);
	case B_strftime:
		return literal_text(in->s, args, &text) ? type_timestamp(&in->s->types, text)
							: &type_error;
	default:
		return infer_function(in, n);
	}
}
