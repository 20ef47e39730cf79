// SPDX-License-Identifier: Apache-2.0
/*
 * The type that holds the values of two: what a variable, a map or a `?:` becomes that is given both.
 *
 * Integers widen, texts and stacks take the greater capacity, tuples join member by member and records by
 * their members' names. Needs the struct types that make new ones; reports nothing: where two types have
 * nothing in common there is none, and who asked knows where that stands in the script.
 */
#include "sema/script.h"

const struct field *member_like(const struct type *t, const struct type *other, uint32_t i)
{
	if (type_is_record(t) != type_is_record(other))
		return NULL;
	return type_is_record(t) ? type_field(t, other->fields[i].name) : &t->fields[i];
}

/* The members of a record may stand in any order: that of the first one stays. */
static const struct type *join_tuples(struct types *t, const struct type *a, const struct type *b)
{
	const struct type **member = arena_alloc(t->arena, (a->nfields + 1) * sizeof *member);
	struct str *name = arena_alloc(t->arena, (a->nfields + 1) * sizeof *name);

	for (uint32_t i = 0; i < a->nfields; i++) {
		const struct field *other = member_like(b, a, i);

		member[i] = other ? type_join(t, a->fields[i].type, other->type) : NULL;
		name[i] = a->fields[i].name;
		if (!member[i])
			return NULL;
	}
	return type_record(t, member, type_is_record(a) ? name : NULL, a->nfields);
}

/* One that holds the values of both, as far as there is one. */
static const struct type *join_integers(const struct type *a, const struct type *b)
{
	uint32_t size = a->size > b->size ? a->size : b->size;
	const struct type *plain = a->sign ? b : a;

	if (a->kind == T_BOOL || b->kind == T_BOOL)
		return &type_int64;
	if (a->sign != b->sign && plain->size == size)
		size = size < 8 ? 2 * size : 8;
	return type_int(size, a->sign || b->sign);
}

/* What a literal becomes beside such a member. */
static const struct type *join_soft(const struct type *t)
{
	if (t->kind == T_INT && !type_is_enum(t))
		return t;
	return type_is_integer(t) ? &type_int64 : NULL;
}

/* A struct may be known by its name here, by its record there. */
static bool same_type(const struct type *a, const struct type *b)
{
	return a == b || (a->kind == T_STRUCT && b->kind == T_STRUCT && a->is_union == b->is_union &&
			  a->name.len && str_eq(a->name, b->name));
}

/* Where they point to the same, only whose memory that is may be unknown. */
static const struct type *join_pointers(struct types *t, const struct type *a, const struct type *b)
{
	const struct type *of = a->of->kind == T_VOID ? b->of : a->of;

	if (!same_type(a->of, b->of) && a->of->kind != T_VOID && b->of->kind != T_VOID)
		return NULL;
	return type_pointer(t, of, a->space == b->space ? a->space : SPACE_NONE);
}

const struct type *type_join(struct types *t, const struct type *a, const struct type *b)
{
	if (a == b)
		return a;
	if (a->kind == T_ERROR || b->kind == T_ERROR)
		return &type_error;
	if (a == &type_soft || b == &type_soft)
		return join_soft(a == &type_soft ? b : a);
	if (type_is_integer(a) && type_is_integer(b))
		return join_integers(a, b);
	if (a->kind != b->kind)
		return NULL;
	if (a->kind == T_STRUCT)
		return same_type(a, b) ? a : NULL;
	if (a->kind == T_STRING || a->kind == T_BUFFER)
		return a->len > b->len ? a : b;
	if (a->kind == T_TUPLE && a->nfields == b->nfields)
		return join_tuples(t, a, b);
	if (a->kind == T_STACK && a->space == b->space && a->mode == b->mode)
		return a->len > b->len ? a : b;
	if (a->kind == T_POINTER)
		return join_pointers(t, a, b);
	return NULL;
}
