// SPDX-License-Identifier: Apache-2.0
/*
 * Types, their text, their slots, and the arithmetic of histogram buckets.
 *
 * Types are interned: the maker of a composite type looks for the same one first, so everybody
 * else compares pointers. The interning key is the words that define the type: kind, space, length
 * and the pointers of what it is made of, which are unique in turn. Structs are the exception: they
 * are as unique as their declaration.
 *
 * The bucket functions are what the generated code computes inline and what the printer inverts.
 * Bucket 0 of a log2 histogram holds the negative values, bucket n + 1 the value n as long as
 * n < 2^bits; from there each power of two is cut into 2^bits buckets of equal width.
 */
#include "sema/types.h"

#include <string.h>

enum { SLOT = 8 };

const struct type type_error = { .kind = T_ERROR };
const struct type type_void = { .kind = T_VOID };
const struct type type_bool = { .kind = T_BOOL, .size = 1 };
const struct type type_ksym = { .kind = T_KSYM, .size = 8 };
const struct type type_username = { .kind = T_USERNAME, .size = 8 };
const struct type type_strerror = { .kind = T_STRERROR, .size = 8 };
const struct type type_signal = { .kind = T_SIGNAL, .size = 8 };
const struct type type_syscall = { .kind = T_SYSCALL, .size = 8 };
const struct type type_macaddr = { .kind = T_MACADDR, .size = 8 };
const struct type type_usym = { .kind = T_USYM, .size = USYM_SLOT };
const struct type type_inet = { .kind = T_INET, .size = 24 };
const struct type type_int8 = { .kind = T_INT, .size = 1, .sign = true };
const struct type type_int16 = { .kind = T_INT, .size = 2, .sign = true };
const struct type type_int32 = { .kind = T_INT, .size = 4, .sign = true };
const struct type type_int64 = { .kind = T_INT, .size = 8, .sign = true };
const struct type type_soft = { .kind = T_INT, .size = 8, .sign = true };
const struct type type_uint8 = { .kind = T_INT, .size = 1 };
const struct type type_uint16 = { .kind = T_INT, .size = 2 };
const struct type type_uint32 = { .kind = T_INT, .size = 4 };
const struct type type_uint64 = { .kind = T_INT, .size = 8 };

/* ---- making ----------------------------------------------------------------------------- */

const struct type *type_int(uint32_t size, bool sign)
{
	switch (size) {
	case 1:
		return sign ? &type_int8 : &type_uint8;
	case 2:
		return sign ? &type_int16 : &type_uint16;
	case 4:
		return sign ? &type_int32 : &type_uint32;
	default:
		return sign ? &type_int64 : &type_uint64;
	}
}

/* The one type that equals *t and has these words as its key; made if there is none yet. */
static const struct type *intern(struct types *types, const struct type *t, struct str key)
{
	struct type *found = table_get(&types->interned, key);

	if (found)
		return found;
	found = arena_alloc(types->arena, sizeof *found);
	*found = *t;
	key.s = str_dup(types->arena, key);
	table_set(types->arena, &types->interned, key, found);
	return found;
}

static const struct type *intern_simple(struct types *types, const struct type *t)
{
	uint64_t words[4] = { t->kind, t->space, t->len, (uintptr_t)t->of };

	return intern(types, t, (struct str){ (const char *)words, sizeof words });
}

const struct type *type_string(struct types *types, uint32_t capacity)
{
	struct type t = { .kind = T_STRING, .size = capacity, .len = capacity };

	return intern_simple(types, &t);
}

const struct type *type_buffer(struct types *types, uint32_t capacity)
{
	struct type t = { .kind = T_BUFFER, .size = capacity, .len = capacity };

	return intern_simple(types, &t);
}

const struct type *type_pointer(struct types *types, const struct type *of, enum space space)
{
	struct type t = { .kind = T_POINTER, .size = 8, .of = of, .space = space };

	return intern_simple(types, &t);
}

const struct type *type_array(struct types *types, const struct type *of, uint32_t len,
			      enum space space)
{
	struct type t = { .kind = T_ARRAY, .len = len, .of = of, .space = space };

	/* A length from a hostile declaration must not wrap. */
	if (__builtin_mul_overflow(of->size, len, &t.size))
		return &type_error;
	return intern_simple(types, &t);
}

/* The key of a record goes on with its members' names, each with a NUL. */
static struct str record_key(struct types *types, const uint64_t *words, const struct str *name,
			     uint32_t n)
{
	struct str key = { NULL, (n + 1) * (uint32_t)sizeof *words };
	uint32_t at = key.len;
	char *text;

	for (uint32_t i = 0; i < n; i++)
		key.len += name[i].len + 1;
	key.s = text = arena_alloc(types->arena, key.len);
	memcpy(text, words, at);
	for (uint32_t i = 0; i < n; at += name[i++].len + 1)
		memcpy(text + at, name[i].s, name[i].len);
	return key;
}

const struct type *type_record(struct types *types, const struct type *const *member,
			       const struct str *name, uint32_t n)
{
	struct type t = { .kind = T_TUPLE, .len = n, .nfields = n };
	struct field *fields = arena_alloc(types->arena, (n + 1) * sizeof *fields);
	uint64_t *words = arena_alloc(types->arena, (n + 1) * sizeof *words);
	struct str key = { (char *)words, (n + 1) * (uint32_t)sizeof *words };

	words[0] = T_TUPLE;
	for (uint32_t i = 0; i < n; i++) {
		words[i + 1] = (uintptr_t)member[i];
		fields[i] = (struct field){ .name = STR(""), .type = member[i], .offset = t.size };
		if (name)
			fields[i].name = str_of(str_dup(types->arena, name[i]));
		t.size += type_slot(member[i]);
	}
	t.fields = fields;
	return intern(types, &t, name ? record_key(types, words, name, n) : key);
}

const struct type *type_tuple(struct types *types, const struct type *const *member, uint32_t n)
{
	return type_record(types, member, NULL, n);
}

/* A number that prints by a text of its own. */
static const struct type *intern_named(struct types *types, uint64_t kind, struct str name)
{
	struct type t = { .kind = (enum type_kind)kind, .size = 8 };
	char *key = arena_alloc(types->arena, sizeof kind + name.len + 1);

	memcpy(key, &kind, sizeof kind);
	if (name.len)
		memcpy(key + sizeof kind, name.s, name.len);
	t.name = (struct str){ key + sizeof kind, name.len };
	return intern(types, &t, (struct str){ key, (uint32_t)sizeof kind + name.len });
}

const struct type *type_timestamp(struct types *types, struct str format)
{
	return intern_named(types, T_TIMESTAMP, format);
}

const struct type *type_cgroup(struct types *types, struct str glob)
{
	return intern_named(types, T_CGROUP, glob);
}

const struct type *type_stack(struct types *types, enum space space, enum stack_mode mode, uint32_t depth)
{
	struct type t = { .kind = T_STACK, .size = STACK_SLOT, .len = depth, .space = space, .mode = mode };
	uint64_t words[4] = { t.kind, t.space, t.len, t.mode };

	return intern(types, &t, (struct str){ (const char *)words, sizeof words });
}

const struct type *type_struct(struct types *types, struct str name, const struct field *fields,
			       uint32_t n, uint32_t size)
{
	struct type *t = arena_alloc(types->arena, sizeof *t);

	*t = (struct type){
		.kind = T_STRUCT, .size = size, .name = name, .fields = fields, .nfields = n
	};
	return t;
}

const struct type *type_enum(struct types *types, struct str name, uint32_t size, bool sign,
			     const struct enumerator *values, uint32_t n)
{
	struct type *t = arena_alloc(types->arena, sizeof *t);

	*t = (struct type){
		.kind = T_INT, .size = size, .sign = sign, .name = name, .values = values, .nvalues = n
	};
	return t;
}

/* ---- asking ----------------------------------------------------------------------------- */

const struct field *type_field(const struct type *t, struct str name)
{
	for (uint32_t i = 0; i < t->nfields; i++)
		if (str_eq(t->fields[i].name, name))
			return &t->fields[i];
	return NULL;
}

bool type_is_record(const struct type *t)
{
	return t->kind == T_TUPLE && t->nfields && t->fields[0].name.len;
}

bool type_is_enum(const struct type *t)
{
	return t->values != NULL;
}

uint32_t field_bytes(const struct field *f)
{
	return f->bits ? (f->first_bit + f->bits + 7u) / 8 : f->type->size;
}

bool type_is_integer(const struct type *t)
{
	return t->kind == T_INT || t->kind == T_BOOL;
}

bool type_holds(const struct type *t, int64_t v)
{
	uint32_t bits = 8 * t->size - t->sign;

	/* What is left above the value's bits: copies of the sign. */
	return bits == 64 ? v >= 0 : v >> bits == 0 || (t->sign && v >> bits == -1);
}

bool type_is_scalar(const struct type *t)
{
	switch (t->kind) {
	case T_BOOL:
	case T_INT:
	case T_POINTER:
	case T_KSYM:
	case T_USERNAME:
	case T_TIMESTAMP:
	case T_STRERROR:
	case T_SIGNAL:
	case T_SYSCALL:
	case T_CGROUP:
	case T_MACADDR:
		return true;
	default:
		return false;
	}
}

static uint32_t round_up(uint32_t size)
{
	return (size + SLOT - 1) / SLOT * SLOT;
}

uint32_t type_slot(const struct type *t)
{
	switch (t->kind) {
	case T_ERROR:
	case T_VOID:
		return 0;
	case T_BUFFER:
		return SLOT + round_up(t->len);
	case T_STRING:
	case T_ARRAY:
	case T_STRUCT:
	case T_TUPLE:
	case T_INET:
	case T_USYM:
	case T_STACK:
		return round_up(t->size);
	default:
		return SLOT;
	}
}

static const char *tuple_text(struct arena *a, const struct type *t)
{
	const char *text = "(";

	for (uint32_t i = 0; i < t->nfields; i++)
		text = arena_printf(a, "%s%s%.*s%s%s", text, i ? ", " : "", STR_ARG(t->fields[i].name),
				    t->fields[i].name.len ? "=" : "", type_text(a, t->fields[i].type));
	return arena_printf(a, "%s%s)", text, t->nfields == 1 && !t->fields[0].name.len ? "," : "");
}

static const char *stack_text(struct arena *a, const struct type *t)
{
	static const char *const modes[STACK_MODES] = {
		[STACK_BPFTRACE] = "", [STACK_PERF] = "(perf)", [STACK_RAW] = "(raw)",
		[STACK_BUILD_ID] = "(build_id)",
	};

	return arena_printf(a, "%cstack%s", t->space == SPACE_USER ? 'u' : 'k', modes[t->mode]);
}

/* int8[2][3]: two of int8[3], as C has it. */
static const char *array_text(struct arena *a, const struct type *t)
{
	const char *lengths = "";

	for (; t->kind == T_ARRAY; t = t->of)
		lengths = arena_printf(a, "%s[%u]", lengths, t->len);
	return arena_printf(a, "%s%s", type_text(a, t), lengths);
}

const char *type_text(struct arena *a, const struct type *t)
{
	switch (t->kind) {
	case T_ERROR:
		return "unknown";
	case T_VOID:
		return "void";
	case T_BOOL:
		return "bool";
	case T_INT:
		return type_is_enum(t) && t->name.len
			       ? arena_printf(a, "enum %.*s", STR_ARG(t->name))
			       : arena_printf(a, "%sint%u", t->sign ? "" : "u", t->size * 8);
	case T_STRING:
		return arena_printf(a, "string[%u]", t->len);
	case T_BUFFER:
		return arena_printf(a, "buffer[%u]", t->len);
	case T_POINTER:
		return arena_printf(a, "%s *", type_text(a, t->of));
	case T_ARRAY:
		return array_text(a, t);
	case T_STRUCT:
		return arena_printf(a, "%s %.*s", t->is_union ? "union" : "struct", STR_ARG(t->name));
	case T_TUPLE:
		return tuple_text(a, t);
	case T_KSYM:
		return "ksym";
	case T_USERNAME:
		return "username";
	case T_TIMESTAMP:
		return "timestamp";
	case T_STRERROR:
		return "strerror";
	case T_SIGNAL:
		return "signal";
	case T_SYSCALL:
		return "syscall";
	case T_CGROUP:
		return "cgroup_path";
	case T_MACADDR:
		return "macaddr";
	case T_INET:
		return "inet";
	case T_USYM:
		return "usym";
	case T_STACK:
		return stack_text(a, t);
	}
	return "unknown";
}

/* ---- aggregations ----------------------------------------------------------------------- */

const char *agg_name(enum agg_kind kind)
{
	static const char *const name[AGG_KINDS] = {
		[AGG_NONE] = "",
		[AGG_COUNT] = "count",
		[AGG_SUM] = "sum",
		[AGG_AVG] = "avg",
		[AGG_MIN] = "min",
		[AGG_MAX] = "max",
		[AGG_STATS] = "stats",
		[AGG_HIST] = "hist",
		[AGG_LHIST] = "lhist",
		[AGG_TSERIES] = "tseries",
	};

	return kind < AGG_KINDS ? name[kind] : "";
}

bool tseries_how(struct str word, enum tseries_how *how)
{
	static const char *const words[TSERIES_HOWS] = {
		[TSERIES_LAST] = "", [TSERIES_AVG] = "avg", [TSERIES_MAX] = "max",
		[TSERIES_MIN] = "min", [TSERIES_SUM] = "sum",
	};

	for (uint32_t i = 0; i < TSERIES_HOWS; i++)
		if (str_is(word, words[i])) {
			*how = (enum tseries_how)i;
			return i != TSERIES_LAST;
		}
	return false;
}

uint64_t agg_extreme_mask(const struct map *m)
{
	uint64_t sign = m->val->sign ? 1ull << 63 : 0;

	return m->agg == AGG_MAX ? sign : ~sign;
}

bool agg_is_readable(enum agg_kind kind)
{
	return kind == AGG_COUNT || kind == AGG_SUM || kind == AGG_AVG || kind == AGG_MIN ||
	       kind == AGG_MAX;
}

uint32_t agg_words(const struct map *map)
{
	static const uint32_t words[AGG_KINDS] = {
#define AGG(id, words, doc) [AGG_##id] = words,
#include "sema/maps.def"
#undef AGG
	};

	switch (map->agg) {
	case AGG_HIST:
		return hist_buckets(map->hist.bits);
	case AGG_LHIST:
		return lhist_buckets(&map->hist);
	case AGG_TSERIES:
		return map->series.n * TSERIES_WORDS;
	default:
		return words[map->agg];
	}
}

uint32_t hist_buckets(uint32_t bits)
{
	/* 2^bits for the small values, as many for each power from 2^bits to 2^62, one for the
	 * negative values. */
	return ((64 - bits) << bits) + 1;
}

uint32_t hist_bucket(int64_t value, uint32_t bits)
{
	uint32_t power;

	if (value < 0)
		return 0;
	if (value < (int64_t)1 << bits)
		return (uint32_t)value + 1;
	power = 63 - (uint32_t)__builtin_clzll((uint64_t)value);
	return ((power - bits + 1) << bits) +
	       ((uint32_t)(value >> (power - bits)) & ((1u << bits) - 1)) + 1;
}

uint64_t hist_bound(uint32_t i, uint32_t bits)
{
	uint64_t n = i - 1, small = (uint64_t)1 << bits;

	if (n < small)
		return n;
	return (small + (n & (small - 1))) << ((n >> bits) - 1);
}

uint32_t lhist_buckets(const struct hist_shape *h)
{
	return (uint32_t)(((uint64_t)h->max - (uint64_t)h->min) / (uint64_t)h->step) + 2;
}

uint32_t lhist_bucket(int64_t value, const struct hist_shape *h)
{
	if (value < h->min)
		return 0;
	if (value > h->max)
		value = h->max;
	return (uint32_t)(((uint64_t)value - (uint64_t)h->min) / (uint64_t)h->step) + 1;
}
