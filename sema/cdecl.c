// SPDX-License-Identifier: Apache-2.0
/*
 * C's types as text: in casts, sizeof() and the like without a name, in definitions with their names.
 *
 * Read by descent, laid out at once as the psABIs of x86-64 and aarch64 have it: a bitfield takes the
 * next bits of a unit of its type if it fits there, else it begins the next one. A definition ends where
 * it should or is one error; the rest of it is skipped.
 *
 * Between C's declarators and bpftrace's suffixes (int32*[4]*) there is one difference: what follows an
 * array's brackets. Types without a name are read from left to right; brackets in a row are C's.
 */
#include "sema/ctype.h"

#include <string.h>

/* Plain char: an array of it is a string. Elsewhere it is int8. */
static const struct type type_char = { .kind = T_INT, .size = 1, .sign = true };

const struct type *cdecl_plain(const struct type *t)
{
	return t == &type_char ? &type_int8 : t;
}

/* ---- constants -------------------------------------------------------------------------- */

static bool conditional(struct creader *, int64_t *);

static bool named_constant(struct creader *c, int64_t *v)
{
	const struct ctype_constant *constant = c->condition ? NULL : ctype_constant(c->s, c->token.text);

	if (!constant && !c->condition) {
		cread_fail(c, "'%.*s' is no constant", STR_ARG(c->token.text));
		return false;
	}
	*v = constant ? constant->value : 0;
	cread_next(c);
	return true;
}

/* defined X, defined(X): the name as such. */
static bool defined_constant(struct creader *c, int64_t *v)
{
	bool parenthesis;

	c->raw = true;
	cread_next(c);
	parenthesis = cread_accept(c, "(");
	c->raw = false;
	if (c->token.kind != C_NAME) {
		cread_fail(c, "expected a name");
		return false;
	}
	*v = cpp_defined(c->s, c->token.text);
	cread_next(c);
	if (parenthesis && !cread_accept(c, ")"))
		cread_fail(c, "expected ')'");
	return !c->failed;
}

/* What stands between the parentheses of sizeof(). */
static bool sizeof_constant(struct creader *c, int64_t *v)
{
	const struct type *t;

	if (!cread_accept(c, "(")) {
		cread_fail(c, "sizeof needs a type in parentheses");
		return false;
	}
	t = cdecl_type_name(c);
	if (!t || !cread_accept(c, ")")) {
		cread_fail(c, "expected ')'");
		return false;
	}
	ctype_complete(c->s, t);
	*v = t->size;
	return true;
}

static int64_t truncated(const struct type *t, int64_t v)
{
	int unused = t->kind == T_INT ? 64 - 8 * (int)t->size : 0;

	return t->sign ? (int64_t)((uint64_t)v << unused) >> unused
		       : (int64_t)((uint64_t)v << unused >> unused);
}

static bool unary(struct creader *, int64_t *);

static bool parenthesized(struct creader *c, int64_t *v)
{
	const struct type *t = NULL;

	if (cdecl_is_type(c)) {
		t = cdecl_type_name(c);
		if (!t)
			return false;
	} else if (!conditional(c, v)) {
		return false;
	}
	if (!cread_accept(c, ")")) {
		cread_fail(c, "expected ')'");
		return false;
	}
	if (!t)
		return true;
	if (!unary(c, v))
		return false;
	*v = truncated(t, *v);
	return true;
}

static bool unary(struct creader *c, int64_t *v)
{
	static const char operators[] = "-+~!";
	const char *op = c->token.kind == C_PUNCT && c->token.text.len == 1
				 ? memchr(operators, *c->token.text.s, 4) : NULL;

	if (++c->nested > CNESTED) {
		cread_fail(c, "nested more than %d deep", CNESTED);
	} else if (op) {
		cread_next(c);
		if (unary(c, v))
			*v = *op == '-' ? (int64_t)-(uint64_t)*v : *op == '~' ? ~*v : *op == '!' ? !*v : *v;
	} else if (c->token.kind == C_NUMBER) {
		*v = (int64_t)c->token.value;
		cread_next(c);
	} else if (c->condition && cread_is(c, "defined")) {
		defined_constant(c, v);
	} else if (cread_accept(c, "sizeof")) {
		sizeof_constant(c, v);
	} else if (cread_accept(c, "(")) {
		parenthesized(c, v);
	} else if (c->token.kind == C_NAME) {
		named_constant(c, v);
	} else {
		cread_fail(c, "expected a constant");
	}
	c->nested--;
	return !c->failed;
}

static const struct { const char *text; int level; } binary_operators[] = {
	{ "||", 1 }, { "&&", 2 }, { "|", 3 }, { "^", 4 }, { "&", 5 },  { "==", 6 }, { "!=", 6 },
	{ "<", 7 },  { ">", 7 },  { "<=", 7 }, { ">=", 7 }, { "<<", 8 }, { ">>", 8 }, { "+", 9 },
	{ "-", 9 },  { "*", 10 }, { "/", 10 }, { "%", 10 },
};

static int64_t compute(const char *op, int64_t l, int64_t r)
{
	uint64_t x = (uint64_t)l, y = (uint64_t)r;

	switch (op[0] << 8 | op[1]) {
	case '|' << 8 | '|': return l || r;
	case '&' << 8 | '&': return l && r;
	case '=' << 8 | '=': return l == r;
	case '!' << 8 | '=': return l != r;
	case '<' << 8 | '=': return l <= r;
	case '>' << 8 | '=': return l >= r;
	case '<' << 8 | '<': return (int64_t)(x << (y & 63));
	case '>' << 8 | '>': return l >> (y & 63);
	case '<' << 8: return l < r;
	case '>' << 8: return l > r;
	case '|' << 8: return l | r;
	case '^' << 8: return l ^ r;
	case '&' << 8: return l & r;
	case '+' << 8: return (int64_t)(x + y);
	case '-' << 8: return (int64_t)(x - y);
	case '*' << 8: return (int64_t)(x * y);
	/* The divisor is not zero, and INT64_MIN / -1 is what -x gives. */
	case '/' << 8: return r == -1 ? (int64_t)-x : l / r;
	default: return r == -1 ? 0 : l % r;
	}
}

static bool binary(struct creader *c, int level, int64_t *v)
{
	int64_t r = 0;
	size_t i;

	if (!unary(c, v))
		return false;
	for (;;) {
		for (i = 0; i < LEN(binary_operators); i++)
			if (binary_operators[i].level >= level && cread_is(c, binary_operators[i].text))
				break;
		if (i == LEN(binary_operators))
			return true;
		cread_next(c);
		if (!binary(c, binary_operators[i].level + 1, &r))
			return false;
		if (!r && binary_operators[i].level == 10 && *binary_operators[i].text != '*') {
			cread_fail(c, "division by zero");
			return false;
		}
		*v = compute(binary_operators[i].text, *v, r);
	}
}

static bool conditional(struct creader *c, int64_t *v)
{
	int64_t then, els;

	if (!binary(c, 1, v))
		return false;
	if (!cread_accept(c, "?"))
		return true;
	if (!conditional(c, &then) || !cread_accept(c, ":") || !conditional(c, &els)) {
		cread_fail(c, "expected ':'");
		return false;
	}
	*v = *v ? then : els;
	return true;
}

bool cdecl_constant(struct creader *c, int64_t *v)
{
	*v = 0;
	return conditional(c, v);
}

/* ---- what a type begins with ------------------------------------------------------------ */

/* Names that need no definition: bpftrace's own, and those that everybody uses. */
static const struct type *known_type(struct str name)
{
	static const struct { const char *name; const struct type *type; } known[] = {
#define KNOWN(name, type) { #name, &type_##type },
		KNOWN(int8, int8) KNOWN(int16, int16) KNOWN(int32, int32) KNOWN(int64, int64)
		KNOWN(uint8, uint8) KNOWN(uint16, uint16) KNOWN(uint32, uint32) KNOWN(uint64, uint64)
		KNOWN(int8_t, int8) KNOWN(int16_t, int16) KNOWN(int32_t, int32) KNOWN(int64_t, int64)
		KNOWN(uint8_t, uint8) KNOWN(uint16_t, uint16) KNOWN(uint32_t, uint32)
		KNOWN(uint64_t, uint64) KNOWN(s8, int8) KNOWN(s16, int16) KNOWN(s32, int32)
		KNOWN(s64, int64) KNOWN(u8, uint8) KNOWN(u16, uint16) KNOWN(u32, uint32)
		KNOWN(u64, uint64) KNOWN(__s8, int8) KNOWN(__s16, int16) KNOWN(__s32, int32)
		KNOWN(__s64, int64) KNOWN(__u8, uint8) KNOWN(__u16, uint16) KNOWN(__u32, uint32)
		KNOWN(__u64, uint64) KNOWN(__be16, uint16) KNOWN(__be32, uint32) KNOWN(__be64, uint64)
		KNOWN(__le16, uint16) KNOWN(__le32, uint32) KNOWN(__le64, uint64)
		KNOWN(size_t, uint64) KNOWN(ssize_t, int64) KNOWN(uintptr_t, uint64)
		KNOWN(intptr_t, int64) KNOWN(ptrdiff_t, int64) KNOWN(pid_t, int32) KNOWN(uid_t, uint32)
		KNOWN(gid_t, uint32) KNOWN(off_t, int64) KNOWN(loff_t, int64) KNOWN(time_t, int64)
		KNOWN(dev_t, uint32) KNOWN(mode_t, uint32) KNOWN(umode_t, uint16)
		KNOWN(uint, uint32) KNOWN(ulong, uint64) KNOWN(ushort, uint16) KNOWN(bool, bool)
		KNOWN(sector_t, uint64) KNOWN(gfp_t, uint32) KNOWN(in_addr_t, uint32)
		KNOWN(ino_t, uint64)
#undef KNOWN
	};

	for (size_t i = 0; i < LEN(known); i++)
		if (str_is(name, known[i].name))
			return known[i].type;
	return NULL;
}

static bool is_qualifier(struct creader *c)
{
	static const char *const words[] = { "const", "volatile", "restrict", "__restrict", "__user",
					     "__kernel", "__rcu", "__iomem", "extern", "static",
					     "inline", "register", "__extension__" };

	for (size_t i = 0; i < LEN(words); i++)
		if (cread_is(c, words[i]))
			return true;
	return false;
}

enum { W_UNSIGNED, W_SIGNED, W_SHORT, W_LONG, W_INT, W_CHAR, W_BOOL, W_VOID, W_FLOAT, W_DOUBLE,
       W_INT128, WORDS };

static const char *const words_of[WORDS] = { "unsigned", "signed", "short", "long", "int", "char",
					     "_Bool", "void", "float", "double", "__int128" };

static int which_word(const struct creader *c)
{
	for (int i = 0; i < WORDS; i++)
		if (cread_is(c, words_of[i]))
			return i;
	return -1;
}

static int which_tag(const struct creader *c)
{
	return cread_is(c, "struct") ? TAG_STRUCT : cread_is(c, "union") ? TAG_UNION
		: cread_is(c, "enum") ? TAG_ENUM : -1;
}

/* "unsigned long long int" in any order. */
static const struct type *words_type(struct creader *c)
{
	uint32_t n[WORDS] = { 0 };

	for (int w; (w = which_word(c)) >= 0 || is_qualifier(c); cread_next(c))
		if (w >= 0)
			n[w]++;
	if (n[W_VOID])
		return &type_void;
	if (n[W_BOOL])
		return &type_bool;
	if (n[W_CHAR])
		return n[W_UNSIGNED] ? &type_uint8 : n[W_SIGNED] ? &type_int8 : &type_char;
	if (n[W_INT128] || (n[W_DOUBLE] && n[W_LONG]))
		return type_array(&c->s->types, &type_uint64, 2, SPACE_NONE);
	/* There are no floating point numbers in BPF: just their bits. */
	if (n[W_FLOAT] || n[W_DOUBLE])
		return type_int(n[W_FLOAT] ? 4 : 8, false);
	return type_int(n[W_SHORT] ? 2 : n[W_LONG] ? 8 : 4, !n[W_UNSIGNED]);
}

static const struct type *unknown_type(struct creader *c, const char *word)
{
	const char *why = ctype_no_btf(c->s);
	uint32_t e = cread_fail(c, "unknown type '%s%.*s'", word, STR_ARG(c->token.text));

	if (why)
		diag_hint(&c->s->diag, e, "the kernel's types are not to be had: %s", why);
	return NULL;
}

static const struct type *tagged_type(struct creader *c)
{
	static const char *const words[] = { "struct ", "union ", "enum " };
	int tag = which_tag(c);
	struct str name = STR("");
	struct ctoken at;
	const struct type *t;
	bool packed;

	cread_next(c);
	packed = cdef_attributes(c);
	if (c->token.kind == C_NAME) {
		at = c->token;
		name = at.text;
		/* What is defined here may be named first; what isn't is the kernel's. */
		t = c->defines && tag != TAG_ENUM ? ctype_named(c->s, (enum tag)tag, name)
						  : ctype_tag(c->s, (enum tag)tag, name);
		cread_next(c);
		if (t && !cread_is(c, "{"))
			return t;
		if (!cread_is(c, "{") || !c->defines) {
			c->token = at;
			return unknown_type(c, words[tag]);
		}
	}
	if (cread_is(c, "{") && c->defines)
		return cdef_body(c, (enum tag)tag, name, packed);
	cread_fail(c, "expected the name of a%s", tag == TAG_ENUM ? "n enum" : tag ? " union" : " struct");
	return NULL;
}

const struct type *cdecl_base(struct creader *c)
{
	const struct type *t;

	while (is_qualifier(c))
		cread_next(c);
	if (which_tag(c) >= 0)
		return tagged_type(c);
	if (which_word(c) >= 0)
		return words_type(c);
	if (c->token.kind != C_NAME) {
		cread_fail(c, "expected a type");
		return NULL;
	}
	t = known_type(c->token.text);
	if (!t)
		t = ctype_typedef(c->s, c->token.text);
	if (!t)
		return unknown_type(c, "");
	cread_next(c);
	return t;
}

bool cdecl_is_type(struct creader *c)
{
	return which_tag(c) >= 0 || which_word(c) >= 0 || is_qualifier(c) ||
	       (c->token.kind == C_NAME &&
		(known_type(c->token.text) || ctype_typedef(c->s, c->token.text)));
}

/* ---- what follows ----------------------------------------------------------------------- */

static const struct type *array_of(struct creader *c, const struct type *of, int64_t n)
{
	const struct type *t;

	if (n < 0 || n > UINT32_MAX) {
		cread_fail(c, "an array can't have %lld elements", (long long)n);
		return NULL;
	}
	if (of == &type_char && n)
		return type_string(&c->s->types, (uint32_t)n);
	ctype_complete(c->s, of);
	t = type_array(&c->s->types, of, (uint32_t)n, SPACE_NONE);
	if (t->kind == T_ERROR)
		cread_fail(c, "an array of more than 4 GiB");
	return t->kind == T_ERROR ? NULL : t;
}

/* [2][3]: two arrays of three. */
const struct type *cdecl_brackets(struct creader *c, const struct type *of)
{
	int64_t n = 0;

	if (!cread_accept(c, "["))
		return of;
	if (!cread_is(c, "]") && !cdecl_constant(c, &n))
		return NULL;
	if (!cread_accept(c, "]")) {
		cread_fail(c, "expected ']'");
		return NULL;
	}
	if (++c->nested > CNESTED)
		cread_fail(c, "nested more than %d deep", CNESTED);
	of = cdecl_brackets(c, of);
	c->nested--;
	return of ? array_of(c, of, n) : NULL;
}

const struct type *cdecl_stars(struct creader *c, const struct type *t)
{
	for (; cread_is(c, "*") || is_qualifier(c); cread_next(c))
		if (cread_is(c, "*"))
			t = type_pointer(&c->s->types, cdecl_plain(t), SPACE_NONE);
	return t;
}

/* string, string[16]: bpftrace's own. */
static const struct type *string_type(struct creader *c)
{
	int64_t n = c->s->config.max_strlen;

	cread_next(c);
	if (cread_accept(c, "[") && (!cdecl_constant(c, &n) || !cread_accept(c, "]")))
		cread_fail(c, "expected ']'");
	if (n < 1 || n > UINT16_MAX)
		cread_fail(c, "a string can't have %lld bytes", (long long)n);
	return c->failed ? NULL : type_string(&c->s->types, (uint32_t)n);
}

const struct type *cdecl_type_name(struct creader *c)
{
	const struct type *t, *before;

	if (cread_is(c, "string"))
		return string_type(c);
	t = cdecl_base(c);
	do {
		before = t;
		t = t ? cdecl_stars(c, t) : NULL;
		t = t ? cdecl_brackets(c, t) : NULL;
	} while (t && t != before);
	return t ? cdecl_plain(t) : NULL;
}

const struct type *ctype_parse(struct script *s, struct str text, uint32_t offset)
{
	struct creader c;
	const struct type *t;

	cread_begin(&c, s, text, offset);
	t = cdecl_type_name(&c);
	if (t && c.token.kind != C_END)
		cread_fail(&c, "'%.*s' is no part of a type", STR_ARG(c.token.text));
	return c.failed ? NULL : t;
}
