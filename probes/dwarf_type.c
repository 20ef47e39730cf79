// SPDX-License-Identifier: Apache-2.0
/*
 * The types of a program, and its functions' arguments, from debug information.
 *
 * They become types like those from BTF (sema/ctype.c): a struct is a shell until its fields are wanted,
 * because the pointers in one lead to all the others. Entries may be damaged: what goes in circles or
 * doesn't fit is left out.
 *
 * Arguments are words, as the calling conventions of C pass numbers and pointers: registers, then the
 * stack. Floating-point numbers travel elsewhere and count for nothing; where a struct is passed whole,
 * what follows is not known to be anywhere.
 */
#include "probes/dwarf_die.h"

#include <dwarf.h>
#include <string.h>

#include "sema/ctype.h"

enum { NESTED = 64, FIELDS_MAX = 1 << 16, DIMENSIONS = 8, FLOAT_REGISTERS = 8 };

/* What a shell is filled from. */
struct shell {
	struct dwarf_file *file;
	Dwarf_Die die;
};

static const struct type *from_die(struct script *, struct dwarf_file *, Dwarf_Die *, unsigned nested);

static uint64_t number(Dwarf_Die *die, unsigned name, uint64_t otherwise)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	return dwarf_attr_integrate(die, name, &attribute) && !dwarf_formudata(&attribute, &value)
		       ? value : otherwise;
}

static bool has(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attribute;

	return dwarf_attr_integrate(die, name, &attribute) != NULL;
}

/* What something is of, without typedefs and qualifiers; false: void. */
static bool type_of(Dwarf_Die *die, Dwarf_Die *of)
{
	Dwarf_Attribute attribute;
	Dwarf_Die named;

	return dwarf_attr_integrate(die, DW_AT_type, &attribute) && dwarf_formref_die(&attribute, &named) &&
	       !dwarf_peel_type(&named, of);
}

static const struct type *of_die(struct script *s, struct dwarf_file *f, Dwarf_Die *die, unsigned nested)
{
	Dwarf_Die of;

	return type_of(die, &of) ? from_die(s, f, &of, nested + 1) : &type_void;
}

/* In the arena: names lie in the file. */
static struct str name_of(struct script *s, Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);

	return str_of(name ? str_dup(&s->arena, str_of(name)) : "");
}

/* ---- types ------------------------------------------------------------------------------ */

static const struct type *from_base(struct script *s, Dwarf_Die *die)
{
	uint64_t encoding = number(die, DW_AT_encoding, 0), size = number(die, DW_AT_byte_size, 0);
	bool sign = encoding == DW_ATE_signed || encoding == DW_ATE_signed_char;

	if (encoding == DW_ATE_boolean && size == 1)
		return &type_bool;
	if (encoding != DW_ATE_float && (size == 1 || size == 2 || size == 4 || size == 8))
		return type_int((uint32_t)size, sign);
	return type_array(&s->types, &type_uint8, size <= 64 ? (uint32_t)size : 0, SPACE_NONE);
}

static bool is_plain_char(Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);

	return dwarf_tag(die) == DW_TAG_base_type && name && !strcmp(name, "char");
}

/* How many elements there are in each dimension; 0 where nobody knows. */
static uint32_t dimensions(Dwarf_Die *die, uint32_t count[DIMENSIONS])
{
	Dwarf_Die child;
	uint32_t n = 0;

	if (dwarf_child(die, &child))
		return 0;
	do {
		uint64_t elements = number(&child, DW_AT_count, number(&child, DW_AT_upper_bound, UINT64_MAX) + 1);

		if (dwarf_tag(&child) == DW_TAG_subrange_type && n < DIMENSIONS)
			count[n++] = elements < INT32_MAX ? (uint32_t)elements : 0;
	} while (!dwarf_siblingof(&child, &child));
	return n;
}

/* Plain chars are a string, as in the kernel's structs. */
static const struct type *from_array(struct script *s, struct dwarf_file *f, Dwarf_Die *die, unsigned nested)
{
	uint32_t count[DIMENSIONS], n = dimensions(die, count);
	const struct type *t;
	Dwarf_Die of;

	if (!n || !type_of(die, &of))
		return &type_void;
	if (is_plain_char(&of) && count[n - 1])
		t = type_string(&s->types, count[--n]);
	else
		t = from_die(s, f, &of, nested + 1);
	while (n) {
		n--;
		if (t->kind == T_VOID || (t->size && count[n] > INT32_MAX / t->size))
			return &type_void;
		t = type_array(&s->types, t, count[n], SPACE_NONE);
	}
	return t;
}

static const struct type *from_enum(struct script *s, Dwarf_Die *die)
{
	uint64_t size = number(die, DW_AT_byte_size, 4);
	VEC(struct enumerator) values = { 0 };
	Dwarf_Attribute attribute;
	bool sign = false;
	Dwarf_Sword value;
	Dwarf_Die child;

	vec_push(&s->arena, &values);
	values.n = 0;
	for (int end = dwarf_child(die, &child); !end; end = dwarf_siblingof(&child, &child))
		if (dwarf_tag(&child) == DW_TAG_enumerator && dwarf_attr(&child, DW_AT_const_value, &attribute) &&
		    !dwarf_formsdata(&attribute, &value)) {
			*vec_push(&s->arena, &values) = (struct enumerator){ name_of(s, &child), value };
			sign |= value < 0;
		}
	return type_enum(&s->types, name_of(s, die), size <= 8 && !(size & (size - 1)) && size ? (uint32_t)size : 4,
			 sign, values.v, values.n);
}

/* ---- structs ---------------------------------------------------------------------------- */

struct fields {
	struct script *s;
	struct type *of;
	VEC(struct field) list;
};

static void add_field(struct fields *x, struct field f)
{
	uint32_t size = field_bytes(&f);

	if (f.type->kind != T_VOID && f.offset <= x->of->size && size <= x->of->size - f.offset &&
	    x->list.n < FIELDS_MAX)
		*vec_push(&x->s->arena, &x->list) = f;
}

/* Of members without a name, and of what a class inherits. */
static void add_fields_of(struct fields *x, const struct type *inner, uint32_t offset)
{
	for (uint32_t i = 0; i < inner->nfields; i++) {
		struct field f = inner->fields[i];

		if (!__builtin_add_overflow(f.offset, offset, &f.offset))
			add_field(x, f);
	}
}

/* Up to DWARF 3 a bitfield's place is counted from the upper end of its integer. */
static uint64_t first_bit(Dwarf_Die *member, uint64_t offset, uint64_t bits, const struct type *t)
{
	uint64_t storage = number(member, DW_AT_byte_size, t->size);

	if (has(member, DW_AT_bit_offset))
		return (offset + storage) * 8 - number(member, DW_AT_bit_offset, 0) - bits;
	return number(member, DW_AT_data_bit_offset, offset * 8);
}

static void add_member(struct fields *x, struct dwarf_file *f, Dwarf_Die *member)
{
	const struct type *t = of_die(x->s, f, member, 0);
	uint64_t offset = number(member, DW_AT_data_member_location, 0);
	uint64_t bits = number(member, DW_AT_bit_size, 0);
	uint64_t bit = bits ? first_bit(member, offset, bits, t) : offset * 8;
	struct field field = { .name = name_of(x->s, member), .type = t, .offset = (uint32_t)(bit / 8),
			       .bits = (uint8_t)bits, .first_bit = bits ? bit % 8 : 0 };

	if (bit / 8 > UINT32_MAX || bits > 64 || (bits && (!type_is_integer(t) || field_bytes(&field) > 8)))
		return;
	ctype_complete(x->s, t);
	if (dwarf_tag(member) == DW_TAG_inheritance || (!field.name.len && t->kind == T_STRUCT))
		add_fields_of(x, t, field.offset);
	else if (field.name.len)
		add_field(x, field);
}

/* Static members have no place, and virtual bases none that is known. */
static bool has_place(struct fields *x, Dwarf_Die *member)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (dwarf_tag(member) != DW_TAG_member && dwarf_tag(member) != DW_TAG_inheritance)
		return false;
	if (has(member, DW_AT_declaration) || has(member, DW_AT_external))
		return false;
	return x->of->is_union || has(member, DW_AT_data_bit_offset) ||
	       (dwarf_attr(member, DW_AT_data_member_location, &attribute) && !dwarf_formudata(&attribute, &value));
}

static void fill(struct script *s, struct type *of, void *from)
{
	struct shell *shell = from;
	struct fields x = { .s = s, .of = of };
	Dwarf_Die child;

	for (int end = dwarf_child(&shell->die, &child); !end; end = dwarf_siblingof(&child, &child))
		if (has_place(&x, &child))
			add_member(&x, shell->file, &child);
	of->fields = x.list.v;
	of->nfields = x.list.n;
}

static const struct type *from_struct(struct script *s, struct dwarf_file *f, Dwarf_Die *die)
{
	struct str key = { (const char *)&die->addr, sizeof die->addr };
	struct type *t = table_get(&f->types, key);
	uint64_t size = number(die, DW_AT_byte_size, 0);
	struct shell *shell;

	if (t)
		return t;
	shell = arena_alloc(&s->work, sizeof *shell);
	*shell = (struct shell){ f, *die };
	t = ctype_later(s, name_of(s, die), fill, shell);
	t->size = size < INT32_MAX ? (uint32_t)size : 0;
	t->is_union = dwarf_tag(die) == DW_TAG_union_type;
	key.s = (const char *)&shell->die.addr;
	table_set(&s->work, &f->types, key, t);
	return t;
}

static const struct type *from_die(struct script *s, struct dwarf_file *f, Dwarf_Die *die, unsigned nested)
{
	if (nested > NESTED)
		return &type_void;
	switch (dwarf_tag(die)) {
	case DW_TAG_base_type:
		return from_base(s, die);
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
		return type_pointer(&s->types, of_die(s, f, die, nested), SPACE_USER);
	case DW_TAG_array_type:
		return from_array(s, f, die, nested);
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
		return from_struct(s, f, die);
	case DW_TAG_enumeration_type:
		return from_enum(s, die);
	default:
		return &type_void;
	}
}

/* ---- arguments -------------------------------------------------------------------------- */

/* What doesn't fit into registers is returned in memory, whose address may be a hidden first argument. */
static bool is_result_first(Dwarf_Die *function)
{
	Dwarf_Die of;
	int tag = type_of(function, &of) ? dwarf_tag(&of) : 0;

	if (!arch_host()->result_first ||
	    (tag != DW_TAG_structure_type && tag != DW_TAG_class_type && tag != DW_TAG_union_type))
		return false;
	return number(&of, DW_AT_byte_size, 0) > 16 ||
	       number(&of, DW_AT_calling_convention, 0) == DW_CC_pass_by_reference;
}

static bool is_float(Dwarf_Die *argument)
{
	Dwarf_Die of;

	return type_of(argument, &of) && dwarf_tag(&of) == DW_TAG_base_type &&
	       number(&of, DW_AT_encoding, 0) == DW_ATE_float && number(&of, DW_AT_byte_size, 0) <= 8;
}

struct arguments {
	VEC(struct field) list;
	uint32_t words, floats;
	bool lost;           /* from here on */
	const char *unread;  /* "d, e"; NULL: none */
};

static void add_argument(struct script *s, struct dwarf_file *f, struct arguments *x, Dwarf_Die *argument)
{
	const struct type *t = of_die(s, f, argument, 0);
	struct str name = name_of(s, argument);
	bool floats = is_float(argument);

	x->lost |= (!type_is_scalar(t) && !floats) || (floats && ++x->floats > FLOAT_REGISTERS);
	if (!floats && !x->lost)
		*vec_push(&s->arena, &x->list) = (struct field){ .name = name, .type = t, .offset = 8 * x->words++ };
	else
		x->unread = arena_printf(&s->arena, "%s%s%.*s", x->unread ? x->unread : "", x->unread ? ", " : "",
					 STR_ARG(name));
}

const struct type *dwarf_function_type(struct script *s, struct dwarf_file *f, Dwarf_Die *function,
				       struct target *t)
{
	struct arguments x = { .words = is_result_first(function) };
	Dwarf_Die child;

	for (int end = dwarf_child(function, &child); !end; end = dwarf_siblingof(&child, &child))
		if (dwarf_tag(&child) == DW_TAG_formal_parameter)
			add_argument(s, f, &x, &child);
	if (x.unread)
		t->unknown = arena_printf(&s->arena, "not to be had: %s (floating-point numbers, structs that are "
					  "passed whole, and what comes after these)", x.unread);
	return type_struct(&s->types, str_of(t->name), x.list.v, x.list.n, 8 * x.words);
}
