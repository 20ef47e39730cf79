// SPDX-License-Identifier: Apache-2.0
/*
 * Definitions in C: struct, union, enum and typedef, in scripts and in headers.
 *
 * Fields are laid out when the closing brace and its attributes are there, in one pass over them. A
 * bitfield takes the next bits of a unit of its type if it fits there, else it begins the next one; one
 * without a name only takes its place. What else a header declares (functions, variables) is passed over.
 */
#include "sema/ctype.h"

#include <string.h>

/* A declarator: what is declared, and as what. */
struct declared {
	struct str name;
	const struct type *type;
	int64_t bits; /* of a bitfield; -1: it is none */
};

struct members {
	VEC(struct declared) list;
	struct table names;
};

/* Each name stands once. */
static void new_name(struct creader *c, struct table *names, struct str name, const char *what)
{
	if (name.len && table_get(names, name))
		cread_fail(c, "a second %s '%.*s'", what, STR_ARG(name));
	table_set(&c->s->work, names, name, c->s);
}

/* ---- declarators ------------------------------------------------------------------------ */

/* From an opening bracket to the one that closes it, whatever is between. Was it "packed"? */
static bool skip_brackets(struct creader *c, const char *open, const char *close)
{
	uint32_t depth = 0;
	bool packed = false;

	do {
		if (cread_is(c, "#")) {
			cread_fail(c, "this '#' begins no line, so it is no directive");
			return false;
		}
		depth += cread_is(c, open);
		depth -= cread_is(c, close);
		packed |= cread_is(c, "packed") || cread_is(c, "__packed__");
		cread_next(c);
	} while (depth && c->token.kind != C_END);
	if (depth)
		cread_fail(c, "'%s' without its '%s'", open, close);
	return packed;
}

bool cdef_attributes(struct creader *c)
{
	bool packed = false;

	while (cread_accept(c, "__attribute__"))
		packed |= skip_brackets(c, "(", ")");
	return packed;
}

enum { PARENTHESES = 12 };

static const struct type *declarator(struct creader *c, const struct type *t, struct str *name,
				     unsigned depth);

/* What follows a name: a function's parameters (which are of no interest) or an array's length. */
static const struct type *suffix(struct creader *c, const struct type *t)
{
	if (!cread_is(c, "("))
		return cdecl_brackets(c, t);
	skip_brackets(c, "(", ")");
	return &type_void;
}

/* (*name)(int): what is inside applies to what stands behind it, so it is read twice. */
static const struct type *nested_declarator(struct creader *c, const struct type *t, struct str *name,
					    unsigned depth)
{
	struct creader inside = *c, behind;

	skip_brackets(c, "(", ")");
	t = suffix(c, t);
	if (!t || c->failed)
		return NULL;
	behind = *c;
	*c = inside;
	cread_next(c);
	t = declarator(c, t, name, depth + 1);
	if (!c->failed && !cread_is(c, ")"))
		cread_fail(c, "expected ')'");
	if (c->failed)
		return NULL;
	*c = behind;
	return t;
}

static const struct type *declarator(struct creader *c, const struct type *t, struct str *name,
				     unsigned depth)
{
	t = cdecl_stars(c, t);
	if (cread_is(c, "(") && depth == PARENTHESES)
		cread_fail(c, "more than %d parentheses around a name", PARENTHESES);
	else if (cread_is(c, "("))
		return nested_declarator(c, t, name, depth);
	if (c->token.kind == C_NAME) {
		*name = c->token.text;
		cread_next(c);
	}
	return suffix(c, t);
}

/* "a, *b[2], c : 3;" behind a type. */
static void declarators(struct creader *c, const struct type *base, struct members *m)
{
	do {
		struct declared d = { .bits = -1, .name = STR("") };

		d.type = declarator(c, base, &d.name, 0);
		if (d.type && cread_accept(c, ":") && cdecl_constant(c, &d.bits) && d.bits < 0)
			cread_fail(c, "a bitfield of %lld bits", (long long)d.bits);
		cdef_attributes(c);
		new_name(c, &m->names, d.name, "field");
		if (c->failed)
			return;
		*vec_push(&c->s->work, &m->list) = d;
	} while (cread_accept(c, ","));
}

/* ---- layout ----------------------------------------------------------------------------- */

static uint32_t align_of(struct script *s, const struct type *t)
{
	uint32_t most = 1;

	switch (t->kind) {
	case T_STRING:
		return 1;
	case T_ARRAY:
		return align_of(s, t->of);
	case T_STRUCT:
		ctype_complete(s, t);
		for (uint32_t i = 0; !t->align && i < t->nfields; i++) {
			uint32_t align = align_of(s, t->fields[i].type);

			most = align > most ? align : most;
		}
		return t->align ? t->align : most;
	default:
		return t->size ? t->size : 1;
	}
}

struct layout {
	struct script *s;
	struct type *of;
	VEC(struct field) fields;
	uint64_t bits; /* taken so far */
	uint64_t most; /* of a union: by its largest member */
	uint32_t align;
	bool packed;
};

static uint64_t round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) / unit * unit;
}

static void add(struct layout *l, struct field f)
{
	if (f.name.len) {
		*vec_push(&l->s->arena, &l->fields) = f;
		return;
	}
	for (uint32_t i = 0; i < f.type->nfields; i++) {
		struct field *inner = vec_push(&l->s->arena, &l->fields);

		*inner = f.type->fields[i];
		inner->offset += f.offset;
	}
}

static void place_bits(struct layout *l, const struct declared *d)
{
	uint64_t unit = 8ull * d->type->size, align = l->packed ? 1 : 8ull * align_of(l->s, d->type);
	struct field f = { .name = d->name, .type = d->type, .bits = (uint8_t)d->bits };

	if (!d->bits)
		l->bits = round_up(l->bits, unit);
	else if (!l->packed && l->bits / unit != (l->bits + (uint64_t)d->bits - 1) / unit)
		l->bits = round_up(l->bits, align);
	f.offset = (uint32_t)(l->bits / 8);
	f.first_bit = l->bits % 8;
	l->bits += (uint64_t)d->bits;
	if (!d->name.len)
		return;
	add(l, f);
	if (align / 8 > l->align)
		l->align = (uint32_t)(align / 8);
}

static void place(struct layout *l, const struct declared *d)
{
	uint32_t align = l->packed ? 1 : align_of(l->s, d->type);

	if (l->of->is_union)
		l->bits = 0;
	if (d->bits >= 0) {
		place_bits(l, d);
	} else {
		uint64_t offset = round_up(l->bits, 8ull * align);

		add(l, (struct field){ .name = d->name, .type = d->type, .offset = (uint32_t)(offset / 8) });
		l->bits = offset + 8ull * d->type->size;
		l->align = align > l->align ? align : l->align;
	}
	l->most = l->bits > l->most ? l->bits : l->most;
}

/* Can a struct have it? */
static bool fits(struct creader *c, const struct declared *d)
{
	ctype_complete(c->s, d->type);
	if (d->bits >= 0 && (!type_is_integer(d->type) || d->bits > 8 * d->type->size))
		cread_fail(c, "'%.*s' is no bitfield that there can be", STR_ARG(d->name));
	else if (d->type->kind == T_VOID)
		cread_fail(c, "a field '%.*s' of type void", STR_ARG(d->name));
	else if (d->type->kind == T_STRUCT && !d->type->align && !d->type->nfields && !d->type->size)
		cread_fail(c, "the size of %s is not known here", type_text(&c->s->work, d->type));
	return !c->failed;
}

static void lay_out(struct creader *c, struct type *t, const struct members *m, bool packed)
{
	struct layout l = { .s = c->s, .of = t, .packed = packed, .align = 1 };

	for (uint32_t i = 0; i < m->list.n; i++) {
		if (!fits(c, &m->list.v[i]))
			return;
		place(&l, &m->list.v[i]);
		if (l.most / 8 > INT32_MAX)
			cread_fail(c, "a struct of more than 2 GiB");
	}
	for (uint32_t i = 0; i < l.fields.n; i++)
		if (l.fields.v[i].bits && field_bytes(&l.fields.v[i]) > 8)
			cread_fail(c, "the bitfield '%.*s' lies in 9 bytes", STR_ARG(l.fields.v[i].name));
	t->fields = l.fields.v;
	t->nfields = l.fields.n;
	t->align = l.align;
	t->size = (uint32_t)round_up(round_up(l.most, 8) / 8, l.align);
}

/* ---- bodies ----------------------------------------------------------------------------- */

static void members(struct creader *c, struct members *m)
{
	while (!cread_accept(c, "}")) {
		const struct type *base = cread_accept(c, ";") ? NULL : cdecl_base(c);

		if (c->token.kind == C_END)
			cread_fail(c, "a struct without its '}'");
		if (c->failed)
			return;
		if (!base)
			continue;
		cdef_attributes(c);
		declarators(c, base, m);
		if (!cread_accept(c, ";"))
			cread_fail(c, "expected ';'");
	}
}

static const struct type *struct_body(struct creader *c, enum tag tag, struct str name, bool packed)
{
	struct type **own = name.len ? ctype_own_tag(c->s, tag, name) : NULL, *t = own ? *own : NULL;
	struct members m = { 0 };

	if (!t)
		t = arena_alloc(&c->s->arena, sizeof *t);
	if (t->kind == T_STRUCT && t->align)
		cread_fail(c, "a second definition of %s", type_text(&c->s->work, t));
	*t = (struct type){ .kind = T_STRUCT, .name = name, .is_union = tag == TAG_UNION };
	if (own)
		*own = t;
	members(c, &m);
	packed |= cdef_attributes(c);
	if (!c->failed)
		lay_out(c, t, &m, packed);
	return t;
}

struct enumerators {
	VEC(struct enumerator) list;
	struct table names;
	int64_t least, most;
};

static void enumerators(struct creader *c, struct enumerators *e)
{
	int64_t next = 0;

	while (!cread_is(c, "}") && !c->failed) {
		struct str name = c->token.text;

		if (c->token.kind != C_NAME) {
			cread_fail(c, "expected the name of a value");
			return;
		}
		new_name(c, &e->names, name, "value");
		cread_next(c);
		if (cread_accept(c, "="))
			cdecl_constant(c, &next);
		*vec_push(&c->s->arena, &e->list) = (struct enumerator){ name, next };
		ctype_set_constant(c->s, name, next, NULL); /* for those that follow */
		e->least = next < e->least ? next : e->least;
		e->most = next > e->most ? next : e->most;
		next++;
		if (!cread_accept(c, ",") && !cread_is(c, "}"))
			cread_fail(c, "expected ',' or '}'");
	}
	cread_accept(c, "}");
}

static const struct type *enum_body(struct creader *c, struct str name)
{
	static const struct enumerator none;
	struct enumerators e = { .least = 0 };
	const struct type *t;
	bool large;

	enumerators(c, &e);
	cdef_attributes(c);
	if (c->failed)
		return NULL;
	large = e.least < INT32_MIN || e.most > (e.least < 0 ? INT32_MAX : (int64_t)UINT32_MAX);
	t = type_enum(&c->s->types, name, large ? 8 : 4, e.least < 0, e.list.n ? e.list.v : &none, e.list.n);
	for (uint32_t i = 0; i < e.list.n; i++)
		ctype_set_constant(c->s, e.list.v[i].name, e.list.v[i].value, t);
	if (name.len)
		*ctype_own_tag(c->s, TAG_ENUM, name) = (struct type *)(uintptr_t)t;
	return t;
}

const struct type *cdef_body(struct creader *c, enum tag tag, struct str name, bool packed)
{
	const struct type *t;

	cread_next(c);
	if (++c->nested > CNESTED) {
		cread_fail(c, "nested more than %d deep", CNESTED);
		return NULL;
	}
	t = tag == TAG_ENUM ? enum_body(c, name) : struct_body(c, tag, name, packed);
	c->nested--;
	return c->failed ? NULL : t;
}

/* ---- declarations ----------------------------------------------------------------------- */

static void type_definition(struct creader *c)
{
	const struct type *base = cdecl_base(c);
	struct members m = { 0 };

	if (!base)
		return;
	cdef_attributes(c);
	declarators(c, base, &m);
	for (uint32_t i = 0; !c->failed && i < m.list.n; i++)
		ctype_set_typedef(c->s, m.list.v[i].name, m.list.v[i].type);
	if (!cread_accept(c, ";"))
		cread_fail(c, "expected ';'");
}

/* A definition may be all; in a script its ';' may be missing, and what follows is a probe's. */
void cdef_declaration(struct creader *c)
{
	struct members ignored = { 0 };
	const struct type *base;

	if (cread_accept(c, "typedef")) {
		type_definition(c);
		return;
	}
	base = cdecl_base(c);
	if (!base || cread_accept(c, ";") || !c->home)
		return;
	declarators(c, base, &ignored);
	if (cread_is(c, "{"))
		skip_brackets(c, "{", "}");
	else if (!cread_accept(c, ";"))
		cread_fail(c, "expected ';'");
}

void cdef_all(struct creader *c)
{
	while (c->token.kind != C_END)
		if (!cread_accept(c, ";"))
			cdef_declaration(c);
}
