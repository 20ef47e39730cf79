// SPDX-License-Identifier: Apache-2.0
/*
 * BTF as C: the definition of a struct, union or enum as its header has it, but for comments.
 *
 * A declarator is written around the name: what stands before it, from the innermost type outwards, and
 * what stands behind it on the way back. Records may be damaged, so everything that goes deeper ends at
 * some depth.
 */
#include <string.h>

#include "target/target.h"

enum { DEPTH = 32, MEMBERS_MAX = 1 << 16 };

/* One definition in the making. Structs without names stand where they are used, so a damaged file could
 * ask for more lines than anybody can read. */
struct definition {
	struct arena *arena;
	const struct btf_file *f;
	FILE *out;
	uint32_t left; /* members that it may still have */
};

static void body(struct definition *, const struct btf_type *, unsigned tabs);

static const char *qualifier(uint32_t kind)
{
	return kind == BTF_KIND_CONST ? "const" : kind == BTF_KIND_VOLATILE ? "volatile"
		: kind == BTF_KIND_RESTRICT ? "restrict" : "";
}

static const char *tag_of(const struct btf_type *t)
{
	switch (btf_record_kind(t)) {
	case BTF_KIND_UNION:
		return "union ";
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return "enum ";
	case BTF_KIND_FWD:
		return BTF_INFO_KFLAG(t->info) ? "union " : "struct ";
	case BTF_KIND_STRUCT:
		return "struct ";
	default:
		return "";
	}
}

/* A pointer to what has its own suffix needs parentheses. */
static bool has_suffix(const struct btf_file *f, uint32_t id)
{
	for (unsigned i = 0; i < DEPTH; i++) {
		const struct btf_type *t = btf_record(f, id);
		uint32_t kind = btf_record_kind(t);

		if (!*qualifier(kind) && kind != BTF_KIND_TYPE_TAG)
			return kind == BTF_KIND_ARRAY || kind == BTF_KIND_FUNC_PROTO;
		id = t->type;
	}
	return false;
}

static const char *declare(struct arena *, const struct btf_file *, uint32_t id, const char *inner,
			   unsigned depth);

/* Functions that take functions: a few levels of a few are all that anybody writes. */
static const char *parameters(struct arena *a, const struct btf_file *f, const struct btf_type *t,
			      unsigned depth)
{
	enum { LEVELS = 4, ENOUGH = 4096 };
	const struct btf_param *p = (const struct btf_param *)(t + 1);
	const char *text = "";

	for (uint32_t i = 0; i < btf_record_members(t); i++) {
		bool known = p[i].type && strlen(text) < ENOUGH;

		text = arena_printf(a, "%s%s%s", text, i ? ", " : "",
				    known ? declare(a, f, p[i].type, btf_name(f, p[i].name_off).s,
						    depth + DEPTH / LEVELS) : "...");
		if (!known)
			break;
	}
	return *text ? text : "void";
}

/* Between words stands a blank. */
static const char *join(struct arena *a, const char *word, const char *inner)
{
	return arena_printf(a, "%s%s%s", word, *inner ? " " : "", inner);
}

static const char *declare_pointer(struct arena *a, const struct btf_file *f, uint32_t of,
				   const char *inner, unsigned depth)
{
	const char *star = *inner == '(' ? "* " : "*";

	return declare(a, f, of, arena_printf(a, has_suffix(f, of) ? "(%s%s)" : "%s%s", star, inner),
		       depth + 1);
}

static const char *declare_qualified(struct arena *a, const struct btf_file *f, const struct btf_type *t,
				     const char *inner, unsigned depth)
{
	const char *word = qualifier(btf_record_kind(t));

	/* *const name, but const int name */
	if (btf_record_kind(btf_record(f, t->type)) == BTF_KIND_PTR)
		return declare(a, f, t->type, join(a, word, inner), depth + 1);
	return join(a, word, declare(a, f, t->type, inner, depth + 1));
}

/* A declaration of what is inside (a name, and what stands around it by now) as having that type. */
static const char *declare(struct arena *a, const struct btf_file *f, uint32_t id, const char *inner,
			   unsigned depth)
{
	const struct btf_type *t = btf_record(f, id);
	const struct btf_array *array = (const struct btf_array *)(t + 1);

	if (!id || depth > DEPTH)
		return join(a, "void", inner);
	switch (btf_record_kind(t)) {
	case BTF_KIND_PTR:
		return declare_pointer(a, f, t->type, inner, depth);
	case BTF_KIND_ARRAY:
		return declare(a, f, array->type, arena_printf(a, "%s[%u]", inner, array->nelems), depth + 1);
	case BTF_KIND_FUNC_PROTO:
		return declare(a, f, t->type, arena_printf(a, "%s(%s)", inner, parameters(a, f, t, depth)),
			       depth + 1);
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_RESTRICT:
		return declare_qualified(a, f, t, inner, depth);
	case BTF_KIND_TYPE_TAG:
		return declare(a, f, t->type, inner, depth + 1);
	default:
		return join(a, arena_printf(a, "%s%.*s", tag_of(t), STR_ARG(btf_name(f, t->name_off))), inner);
	}
}

const char *btf_declaration(struct arena *a, const struct btf_file *f, uint32_t id, struct str name)
{
	return declare(a, f, id, str_dup(a, name), 0);
}

static void indent(unsigned tabs, FILE *out)
{
	while (tabs--)
		fputc('\t', out);
}

/* The struct that a member defines where it stands, if it has no name of its own; else NULL. */
static const struct btf_type *defined_here(const struct btf_file *f, uint32_t id)
{
	const struct btf_type *t = btf_record(f, id);

	if (btf_record_kind(t) == BTF_KIND_ARRAY)
		t = btf_record(f, ((const struct btf_array *)(t + 1))->type);
	return *tag_of(t) && !t->name_off && btf_record_kind(t) != BTF_KIND_FWD ? t : NULL;
}

static void member(struct definition *d, const struct btf_type *whole, const struct btf_member *m,
		   unsigned tabs)
{
	const struct btf_file *f = d->f;
	FILE *out = d->out;
	uint32_t bits = BTF_INFO_KFLAG(whole->info) ? BTF_MEMBER_BITFIELD_SIZE(m->offset) : 0;
	const struct btf_type *inner = defined_here(f, m->type);
	const char *text = btf_declaration(d->arena, f, m->type, btf_name(f, m->name_off));

	indent(tabs, out);
	if (inner) {
		fputs(tag_of(inner), out);
		body(d, inner, tabs);
		text += strlen(tag_of(inner)); /* which is all that there is of its type's name */
		fprintf(out, "%s", text);
	} else {
		fputs(text, out);
	}
	if (bits)
		fprintf(out, ": %u", bits);
	fputs(";\n", out);
}

static void enumerator(const struct btf_file *f, const struct btf_type *t, const uint32_t *word, FILE *out)
{
	bool large = btf_record_kind(t) == BTF_KIND_ENUM64, sign = BTF_INFO_KFLAG(t->info);
	struct str name = btf_name(f, word[0]);
	uint64_t v = large ? (uint64_t)word[2] << 32 | word[1] : word[1];

	if (sign)
		fprintf(out, "%.*s = %lld,\n", STR_ARG(name), large ? (long long)v : (long long)(int32_t)v);
	else
		fprintf(out, "%.*s = %llu,\n", STR_ARG(name), (unsigned long long)v);
}

static void body(struct definition *d, const struct btf_type *t, unsigned tabs)
{
	uint32_t kind = btf_record_kind(t);
	bool is_enum = kind == BTF_KIND_ENUM || kind == BTF_KIND_ENUM64;
	uint32_t words = kind == BTF_KIND_ENUM64 ? 3 : 2;

	fputs("{\n", d->out);
	for (uint32_t i = 0; tabs <= DEPTH && d->left && i < btf_record_members(t); i++) {
		d->left--;
		if (!is_enum) {
			member(d, t, (const struct btf_member *)(t + 1) + i, tabs + 1);
			continue;
		}
		indent(tabs + 1, d->out);
		enumerator(d->f, t, (const uint32_t *)(t + 1) + i * words, d->out);
	}
	if (!d->left)
		fputs("/* and more */", d->out);
	indent(tabs, d->out);
	fputc('}', d->out);
}

void btf_definition(struct arena *a, const struct btf_file *f, uint32_t id, FILE *out)
{
	const struct btf_type *t = btf_record(f, id);
	struct definition d = { a, f, out, MEMBERS_MAX };

	fprintf(out, "%s%.*s ", tag_of(t), STR_ARG(btf_name(f, t->name_off)));
	body(&d, t, 0);
	fputs(";\n", out);
}
