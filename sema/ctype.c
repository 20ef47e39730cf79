// SPDX-License-Identifier: Apache-2.0
/*
 * The names of C's types: tags, typedefs and enumerators, first the script's own, then the kernel's.
 *
 * BTF is opened by the first name that the script doesn't define, and a module's by the first that the
 * kernel's own doesn't, either. A record becomes a type once; a struct is a shell with name and size
 * until its fields are wanted (ctype_complete()), because the pointers in one lead to all the others.
 * Structs that lie within another are completed with it, and members without a name give it theirs.
 *
 * Requires nothing. Leaves types like those that the script defines: nobody else knows of BTF. Records
 * may be damaged: what goes in circles or doesn't fit is left out.
 */
#include "sema/ctype.h"

#include <string.h>

enum { NESTED = 64, FIELDS_MAX = 1 << 18 };

#define KIND(name) (1u << BTF_KIND_##name)

/* One file, and the types that its records have become. */
struct ctype_file {
	struct btf_file *btf;
	const struct type **types; /* by id */
	uint32_t ntypes;
	bool alone; /* a BPF program's: shares nothing with the kernel's */
};

/* What a struct's fields are made from: somebody else's matter, or a record; for one that is known by its
 * name alone, there is neither. */
struct ctype_pending {
	ctype_fill *fill;
	void *from;
	struct ctype_file *file;
	uint32_t id;
};

static const struct type *from_btf(struct script *, struct ctype_file *, uint32_t id, unsigned nested);
static void complete(struct script *, const struct type *, unsigned nested);

/* ---- the files -------------------------------------------------------------------------- */

static void add_file(struct script *s, const char *path, const struct btf_file *base, const char **why)
{
	struct btf_file *btf = btf_read(&s->arena, path, base, why);
	struct ctype_file *f;

	if (!btf)
		return;
	f = arena_alloc(&s->work, sizeof *f);
	f->btf = btf;
	*vec_push(&s->work, &s->ctypes.files) = f;
}

static struct ctype_file *kernel(struct script *s)
{
	struct ctypes *c = &s->ctypes;
	const char *path = s->btf_path ? s->btf_path : BTF_FOLDER "/vmlinux";

	if (!c->opened) {
		c->opened = true;
		add_file(s, s->btf_path ? path : target_path(&s->work, path), NULL, &c->why);
		if (!c->files.n)
			c->why = arena_printf(&s->work, "%s: %s", path, c->why);
	}
	return c->files.n ? c->files.v[0] : NULL;
}

const char *ctype_no_btf(struct script *s)
{
	return kernel(s) ? NULL : s->ctypes.why;
}

bool ctype_is_function(struct script *s, struct str name)
{
	struct ctype_file *f = kernel(s);

	return f && btf_find(f->btf, name, 1 << BTF_KIND_FUNC);
}

bool ctype_each_function(struct script *s, bool (*visit)(void *, uint32_t, struct str), void *ctx)
{
	struct ctype_file *f = kernel(s);

	if (f)
		btf_each(f->btf, 1 << BTF_KIND_FUNC, visit, ctx);
	return f != NULL;
}

/* The modules', in order of their names; one that can't be read is left out. */
static void open_modules(struct script *s)
{
	const char *folder = target_path(&s->work, BTF_FOLDER), *why, **name;
	uint32_t n;

	if (s->ctypes.modules || !kernel(s))
		return;
	s->ctypes.modules = true;
	n = s->btf_path ? 0 : btf_modules(&s->work, &name);
	for (uint32_t i = 0; i < n; i++)
		add_file(s, arena_printf(&s->work, "%s/%s", folder, name[i]), s->ctypes.files.v[0]->btf, &why);
}

/* The file that has a record of that name and one of the kinds, and its id there; NULL: none. */
static struct ctype_file *find(struct script *s, struct str name, uint32_t kinds, uint32_t *id)
{
	struct ctype_file *f = kernel(s);

	if (f && (*id = btf_find(f->btf, name, kinds)))
		return f;
	open_modules(s);
	for (uint32_t i = 1; i < s->ctypes.files.n; i++) {
		f = s->ctypes.files.v[i];
		if ((*id = btf_find(f->btf, name, kinds)))
			return f;
	}
	return NULL;
}

/* ---- from BTF: types -------------------------------------------------------------------- */

/* const, volatile, typedef and their like, taken off. */
static const struct btf_type *strip(const struct ctype_file *f, uint32_t id)
{
	const struct btf_type *t = btf_record(f->btf, id);

	for (unsigned i = 0; i < NESTED; i++, t = btf_record(f->btf, t->type))
		switch (btf_record_kind(t)) {
		case BTF_KIND_TYPEDEF:
		case BTF_KIND_CONST:
		case BTF_KIND_VOLATILE:
		case BTF_KIND_RESTRICT:
		case BTF_KIND_TYPE_TAG:
			break;
		default:
			return t;
		}
	return btf_record(f->btf, 0);
}

/* An integer of a size that none of the language's has: its bytes. */
static const struct type *bytes_type(struct script *s, uint32_t size)
{
	return type_array(&s->types, &type_uint8, size, SPACE_NONE);
}

static bool is_integer_size(uint32_t size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

static const struct type *from_int(struct script *s, const struct btf_type *t)
{
	uint32_t encoding = BTF_INT_ENCODING(*(const uint32_t *)(t + 1));

	if (encoding & BTF_INT_BOOL && t->size == 1)
		return &type_bool;
	if (!is_integer_size(t->size))
		return bytes_type(s, t->size);
	return type_int(t->size, encoding & BTF_INT_SIGNED);
}

/* Plain chars are a string; int8 and uint8 are numbers. */
static const struct type *from_array(struct script *s, struct ctype_file *f, const struct btf_type *t,
				     unsigned nested)
{
	const struct btf_array *array = (const struct btf_array *)(t + 1);
	const struct btf_type *of = strip(f, array->type);

	if (btf_record_kind(of) == BTF_KIND_INT && array->nelems && str_is(btf_name(f->btf, of->name_off), "char"))
		return type_string(&s->types, array->nelems);
	return type_array(&s->types, from_btf(s, f, array->type, nested), array->nelems, SPACE_NONE);
}

static const struct type *from_pointer(struct script *s, struct ctype_file *f, const struct btf_type *t,
				       unsigned nested)
{
	const struct btf_type *of = btf_record(f->btf, t->type);
	bool user = btf_record_kind(of) == BTF_KIND_TYPE_TAG && str_is(btf_name(f->btf, of->name_off), "user");

	return type_pointer(&s->types, from_btf(s, f, t->type, nested), user ? SPACE_USER : SPACE_NONE);
}

static const struct type *from_enum(struct script *s, struct ctype_file *f, const struct btf_type *t)
{
	bool large = btf_record_kind(t) == BTF_KIND_ENUM64, sign = BTF_INFO_KFLAG(t->info);
	uint32_t n = btf_record_members(t), words = large ? 3 : 2;
	const uint32_t *word = (const uint32_t *)(t + 1);
	struct enumerator *values = arena_alloc(&s->arena, (n + 1) * sizeof *values);

	for (uint32_t i = 0; i < n; i++, word += words) {
		values[i].name = btf_name(f->btf, word[0]);
		values[i].value = large ? (int64_t)((uint64_t)word[2] << 32 | word[1])
				  : sign ? (int32_t)word[1] : (int64_t)word[1];
	}
	/* Before 6.0 nothing told signed enums from others. */
	for (uint32_t i = 0; !large && !sign && i < n; i++)
		sign = (int32_t)values[i].value == -1;
	for (uint32_t i = 0; !large && sign && i < n; i++)
		values[i].value = (int32_t)values[i].value;
	return type_enum(&s->types, btf_name(f->btf, t->name_off), is_integer_size(t->size) ? t->size : 4,
			 sign, values, n);
}

static struct type *shell(struct script *s, struct ctype_file *f, uint32_t id, struct str name)
{
	struct type *t = arena_alloc(&s->arena, sizeof *t);
	struct ctype_pending *p = vec_push(&s->work, &s->ctypes.pending);
	const struct btf_type *record = f ? btf_record(f->btf, id) : NULL;

	*p = (struct ctype_pending){ .file = f, .id = id };
	*t = (struct type){ .kind = T_STRUCT, .name = name, .pending = s->ctypes.pending.n };
	if (!record)
		return t;
	t->is_union = btf_record_kind(record) == BTF_KIND_UNION;
	t->size = record->size;
	return t;
}

struct type *ctype_later(struct script *s, struct str name, ctype_fill *fill, void *from)
{
	struct type *t = shell(s, NULL, 0, name);

	s->ctypes.pending.v[t->pending - 1] = (struct ctype_pending){ .fill = fill, .from = from };
	return t;
}

/* A struct that is only announced here may be defined elsewhere in the file. */
static const struct type *from_forward(struct script *s, struct ctype_file *f, const struct btf_type *t)
{
	bool is_union = BTF_INFO_KFLAG(t->info);
	struct str name = btf_name(f->btf, t->name_off);
	const struct type *defined = ctype_tag(s, is_union ? TAG_UNION : TAG_STRUCT, name);
	struct type *empty;

	if (defined)
		return defined;
	empty = arena_alloc(&s->arena, sizeof *empty);
	*empty = (struct type){ .kind = T_STRUCT, .name = name, .is_union = is_union };
	return empty;
}

static const struct type *make(struct script *s, struct ctype_file *f, uint32_t id, unsigned nested)
{
	const struct btf_type *t = btf_record(f->btf, id);

	switch (btf_record_kind(t)) {
	case BTF_KIND_INT:
		return from_int(s, t);
	case BTF_KIND_FLOAT:
		return bytes_type(s, t->size);
	case BTF_KIND_PTR:
		return from_pointer(s, f, t, nested + 1);
	case BTF_KIND_ARRAY:
		return from_array(s, f, t, nested + 1);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return shell(s, f, id, btf_name(f->btf, t->name_off));
	case BTF_KIND_FWD:
		return from_forward(s, f, t);
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return from_enum(s, f, t);
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
		return from_btf(s, f, t->type, nested + 1);
	default:
		return &type_void; /* functions, too: nothing to read there */
	}
}

static struct ctype_file *owner(struct script *s, struct ctype_file *f, uint32_t id)
{
	/* The ids of the kernel's own are the same in its modules. */
	return !f->alone && f != s->ctypes.files.v[0] && btf_record(s->ctypes.files.v[0]->btf, id)->info
		       ? s->ctypes.files.v[0] : f;
}

static const struct type *from_btf(struct script *s, struct ctype_file *f, uint32_t id, unsigned nested)
{
	const struct type *made;

	if (btf_record_kind(btf_record(f->btf, id)) == BTF_KIND_UNKN || nested > NESTED)
		return &type_void;
	f = owner(s, f, id);
	if (id >= f->ntypes) {
		uint32_t n = f->ntypes;

		while (n <= id)
			f->types = vec_grow(&s->work, f->types, sizeof *f->types, n, &n);
		f->ntypes = n;
	}
	made = f->types[id];
	if (!made) {
		made = make(s, f, id, nested);
		f->types[id] = made; /* the table may have moved meanwhile */
	}
	return made;
}

/* ---- from BTF: fields ------------------------------------------------------------------- */

struct fields {
	struct script *s;
	struct type *of;
	VEC(struct field) list;
};

/* What doesn't fit into its struct is damaged. */
static void add_field(struct fields *x, struct field f)
{
	uint32_t size = field_bytes(&f);

	if (f.type->kind == T_ERROR || f.type->kind == T_VOID || f.offset > x->of->size ||
	    size > x->of->size - f.offset || x->list.n >= FIELDS_MAX)
		return;
	*vec_push(&x->s->arena, &x->list) = f;
}

static void add_fields_of(struct fields *x, const struct type *inner, uint32_t offset)
{
	for (uint32_t i = 0; i < inner->nfields; i++) {
		struct field f = inner->fields[i];

		if (!__builtin_add_overflow(f.offset, offset, &f.offset))
			add_field(x, f);
	}
}

/* Old files tell of a bitfield only in its integer's record. */
static uint32_t bits_of(const struct ctype_file *f, const struct btf_type *whole, const struct btf_member *m,
			uint32_t *offset)
{
	const struct btf_type *t = strip(f, m->type);
	uint32_t info;

	*offset = m->offset;
	if (BTF_INFO_KFLAG(whole->info)) {
		*offset = BTF_MEMBER_BIT_OFFSET(m->offset);
		return BTF_MEMBER_BITFIELD_SIZE(m->offset);
	}
	if (btf_record_kind(t) != BTF_KIND_INT)
		return 0;
	info = *(const uint32_t *)(t + 1);
	if (BTF_INT_BITS(info) == t->size * 8)
		return 0;
	*offset += BTF_INT_OFFSET(info);
	return BTF_INT_BITS(info);
}

static void add_member(struct fields *x, struct ctype_file *f, const struct btf_type *whole,
		       const struct btf_member *m, unsigned nested)
{
	uint32_t offset, bits = bits_of(f, whole, m, &offset);
	const struct type *t = from_btf(x->s, f, m->type, nested);
	struct field field = { .name = btf_name(f->btf, m->name_off), .type = t, .offset = offset / 8,
			       .bits = (uint8_t)bits, .first_bit = bits ? offset % 8 : 0 };

	if (bits > 64 || (bits && (!type_is_integer(t) || field_bytes(&field) > 8)))
		return;
	complete(x->s, t, nested);
	if (!field.name.len && t->kind == T_STRUCT)
		add_fields_of(x, t, field.offset);
	else if (field.name.len)
		add_field(x, field);
}

/* A struct that was known by its name gets what that stands for. */
static void complete_named(struct script *s, struct type *t, unsigned nested)
{
	uint32_t id;
	struct ctype_file *f = find(s, t->name, t->is_union ? KIND(UNION) : KIND(STRUCT), &id);
	const struct type *found = f ? from_btf(s, f, id, 0) : NULL;

	if (!found)
		return;
	complete(s, found, nested);
	t->fields = found->fields;
	t->nfields = found->nfields;
	t->size = found->size;
}

static void complete(struct script *s, const struct type *of, unsigned nested)
{
	struct fields x = { .s = s, .of = (struct type *)(uintptr_t)of };
	struct ctype_pending p;
	const struct btf_type *t;

	for (; of->kind == T_ARRAY; x.of = (struct type *)(uintptr_t)of)
		of = of->of;
	if (!of->pending || nested > NESTED)
		return;
	p = s->ctypes.pending.v[of->pending - 1];
	x.of->pending = 0; /* first: one that contains itself ends here */
	if (p.fill) {
		p.fill(s, x.of, p.from);
		return;
	}
	if (!p.file) {
		complete_named(s, x.of, nested + 1);
		return;
	}
	t = btf_record(p.file->btf, p.id);
	for (uint32_t i = 0; i < btf_record_members(t); i++)
		add_member(&x, p.file, t, (const struct btf_member *)(t + 1) + i, nested + 1);
	x.of->fields = x.list.v;
	x.of->nfields = x.list.n;
}

void ctype_complete(struct script *s, const struct type *t)
{
	complete(s, t, 0);
}

/* ---- names ------------------------------------------------------------------------------ */

static const char *const tag_words[] = {
	[TAG_STRUCT] = "struct", [TAG_UNION] = "union", [TAG_ENUM] = "enum",
};

struct type **ctype_own_tag(struct script *s, enum tag tag, struct str name)
{
	struct str key = str_of(arena_printf(&s->work, "%s %.*s", tag_words[tag], STR_ARG(name)));
	struct type **slot = table_get(&s->ctypes.tags, key);

	if (!slot) {
		slot = arena_alloc(&s->work, sizeof *slot);
		table_set(&s->work, &s->ctypes.tags, key, slot);
	}
	return slot;
}

const struct type *ctype_tag(struct script *s, enum tag tag, struct str name)
{
	static const uint32_t kinds[] = {
		[TAG_STRUCT] = KIND(STRUCT), [TAG_UNION] = KIND(UNION),
		[TAG_ENUM] = KIND(ENUM) | KIND(ENUM64),
	};
	struct type *own = *ctype_own_tag(s, tag, name);
	struct ctype_file *f;
	uint32_t id;

	if (own)
		return own;
	f = find(s, name, kinds[tag], &id);
	return f ? from_btf(s, f, id, 0) : NULL;
}

const struct type *ctype_named(struct script *s, enum tag tag, struct str name)
{
	struct type **own = ctype_own_tag(s, tag, name);

	if (!*own) {
		*own = shell(s, NULL, 0, name);
		(*own)->is_union = tag == TAG_UNION;
	}
	return *own;
}

const struct type *ctype_struct(struct script *s, struct str name)
{
	const struct type *t = ctype_tag(s, TAG_STRUCT, name);

	if (t)
		ctype_complete(s, t);
	return t;
}

const struct type *ctype_shell(struct script *s, const char *name)
{
	return ctype_named(s, TAG_STRUCT, str_of(name));
}

void ctype_set_typedef(struct script *s, struct str name, const struct type *t)
{
	table_set(&s->work, &s->ctypes.typedefs, name, (void *)(uintptr_t)t);
}

const struct type *ctype_typedef(struct script *s, struct str name)
{
	const struct type *t = table_get(&s->ctypes.typedefs, name);
	struct ctype_file *f;
	uint32_t id;

	if (t)
		return t;
	f = find(s, name, KIND(TYPEDEF), &id);
	return f ? from_btf(s, f, id, 0) : NULL;
}

/* ---- constants -------------------------------------------------------------------------- */

void ctype_set_constant(struct script *s, struct str name, int64_t value, const struct type *of)
{
	struct ctype_constant *c = arena_alloc(&s->work, sizeof *c);

	*c = (struct ctype_constant){ value, of };
	name = str_of(str_dup(&s->work, name));
	table_set(&s->work, &s->ctypes.constants, name, c);
}

/* An enumerator of one of the files. */
static const struct ctype_constant *find_constant(struct script *s, struct str name)
{
	if (!kernel(s))
		return NULL;
	for (uint32_t i = 0; i < s->ctypes.files.n; i++) {
		struct ctype_file *f = s->ctypes.files.v[i];
		uint32_t member, id = btf_find_enumerator(f->btf, name, &member);
		const struct type *t = id ? from_btf(s, f, id, 0) : NULL;

		if (t && type_is_enum(t)) {
			ctype_set_constant(s, name, t->values[member].value, t);
			return table_get(&s->ctypes.constants, name);
		}
		if (!i)
			open_modules(s);
	}
	return NULL;
}

/* A number that headers define. */
static const struct ctype_constant *table_constant(struct script *s, struct str name)
{
	bool negative;
	uint64_t v;

	if (!constant_value(name, &v, &negative))
		return NULL;
	ctype_set_constant(s, name, (int64_t)v, negative ? &type_int64 : NULL);
	return table_get(&s->ctypes.constants, name);
}

const struct ctype_constant *ctype_constant(struct script *s, struct str name)
{
	const struct ctype_constant *c = table_get(&s->ctypes.constants, name);

	if (!c)
		c = find_constant(s, name);
	return c ? c : table_constant(s, name);
}

/* ---- functions -------------------------------------------------------------------------- */

/* Arguments stand in 8-byte words, one after the other; what is larger takes several. */
static const struct type *arguments(struct script *s, struct ctype_file *f, const struct btf_type *proto,
				    uint32_t first, struct str name)
{
	const struct btf_param *param = (const struct btf_param *)(proto + 1);
	uint32_t n = btf_record_members(proto), offset = 0, count = 0;
	struct field *fields = arena_alloc(&s->arena, (n + 1) * sizeof *fields);

	for (uint32_t i = first; i < n; i++) {
		const struct type *t = from_btf(s, f, param[i].type, 0);

		if (!param[i].type)
			break; /* and so on: ... */
		ctype_complete(s, t);
		if (t->kind == T_POINTER && t->space == SPACE_NONE)
			t = type_pointer(&s->types, t->of, SPACE_KERNEL);
		fields[count].name = btf_name(f->btf, param[i].name_off);
		fields[count].type = t;
		fields[count++].offset = offset;
		offset += type_slot(t);
	}
	return type_struct(&s->types, name, fields, count, offset);
}

static const struct type *function(struct script *s, struct ctype_file *f, uint32_t id, struct str name,
				   const struct type **retval)
{
	const struct btf_type *proto = btf_record(f->btf, btf_record(f->btf, id)->type);
	const struct type *t;

	if (btf_record_kind(proto) != BTF_KIND_FUNC_PROTO)
		return NULL;
	t = from_btf(s, f, proto->type, 0);
	if (t->kind == T_POINTER && t->space == SPACE_NONE)
		t = type_pointer(&s->types, t->of, SPACE_KERNEL);
	*retval = t->kind == T_VOID ? NULL : t;
	return arguments(s, f, proto, 0, name);
}

const struct type *ctype_function(struct script *s, struct str name, const struct type **retval)
{
	uint32_t id;
	struct ctype_file *f = find(s, name, KIND(FUNC), &id);

	return f ? function(s, f, id, name, retval) : NULL;
}

/* include/linux/bpf_types.h: what programs are told, and what there is. */
static const struct type *real_context(struct script *s, const struct type *t)
{
	static const char *const structs[][2] = {
		{ "__sk_buff", "sk_buff" }, { "xdp_md", "xdp_buff" }, { "bpf_sock_addr", "bpf_sock_addr_kern" },
		{ "bpf_sock_ops", "bpf_sock_ops_kern" }, { "sk_msg_md", "sk_msg" },
		{ "bpf_perf_event_data", "bpf_perf_event_data_kern" }, { "bpf_sysctl", "bpf_sysctl_kern" },
		{ "bpf_sockopt", "bpf_sockopt_kern" }, { "sk_reuseport_md", "sk_reuseport_kern" },
		{ "bpf_sk_lookup", "bpf_sk_lookup_kern" }, { "bpf_sock", "sock" },
	};

	for (size_t i = 0; t->kind == T_POINTER && t->of->kind == T_STRUCT && i < LEN(structs); i++)
		if (str_is(t->of->name, structs[i][0]))
			return type_pointer(&s->types, ctype_shell(s, structs[i][1]), SPACE_KERNEL);
	return t;
}

const struct type *ctype_program_function(struct script *s, struct btf_file *btf, uint32_t id,
					  const struct type **retval)
{
	struct ctype_file *f = arena_alloc(&s->work, sizeof *f);
	struct str name = btf_name(btf, btf_record(btf, id)->name_off);
	const struct type *t;
	struct field *fields;

	*f = (struct ctype_file){ .btf = btf, .alone = true };
	t = function(s, f, id, name, retval);
	if (!t)
		return NULL;
	fields = arena_alloc(&s->arena, (t->nfields + 1) * sizeof *fields);
	for (uint32_t i = 0; i < t->nfields; i++) {
		fields[i] = t->fields[i];
		fields[i].type = real_context(s, fields[i].type);
	}
	return type_struct(&s->types, name, fields, t->nfields, t->size);
}

/* The function that calls what is attached has the parameters' names; the first is the tracepoint's own. */
const struct type *ctype_raw_tracepoint(struct script *s, struct str name)
{
	struct str symbol = str_of(arena_printf(&s->work, "__traceiter_%.*s", STR_ARG(name)));
	uint32_t id;
	struct ctype_file *f = find(s, symbol, KIND(FUNC), &id);
	const struct btf_type *proto = f ? btf_record(f->btf, btf_record(f->btf, id)->type) : NULL;

	if (!proto || btf_record_kind(proto) != BTF_KIND_FUNC_PROTO)
		return NULL;
	return arguments(s, f, proto, 1, name);
}
