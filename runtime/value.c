// SPDX-License-Identifier: Apache-2.0
/*
 * Values as text: what a slot holds, driven by its type; and printf, which pads and narrows it.
 *
 * Records and maps come from programs that we generated, but strings in them come from anywhere.
 * So no length in the data is trusted beyond what the type has room for, and nothing from the data
 * or the script is ever a format of the C library's printf.
 */
#include <arpa/inet.h>
#include <pwd.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include "runtime/print.h"
#include "target/target.h"

enum { SLOT = 8, STAR_MAX = 65535, TIME_ROOM = 256, TIME_MAX = 65536 };

uint64_t load_u64(const uint8_t *slot)
{
	uint64_t v;

	memcpy(&v, slot, sizeof v);
	return v;
}

/* ---- scalars and bytes ------------------------------------------------------------------ */

void integer_text(struct buffer *b, uint64_t v, bool sign)
{
	bool negative = sign && (int64_t)v < 0;
	char digits[24], *at = digits + sizeof digits;

	v = negative ? -v : v;
	do
		*--at = (char)('0' + v % 10);
	while (v /= 10);
	if (negative)
		*--at = '-';
	buffer_bytes(b, at, (size_t)(digits + sizeof digits - at));
}

uint32_t utf8_length(const unsigned char *at, uint32_t left)
{
	uint32_t n = *at < 0x80 ? 1 : *at < 0xc2 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : *at < 0xf5 ? 4 : 0;

	if (n > left || (*at == 0xe0 && n && at[1] < 0xa0) || (*at == 0xed && n && at[1] > 0x9f) ||
	    (*at == 0xf0 && n && at[1] < 0x90) || (*at == 0xf4 && n && at[1] > 0x8f))
		return 0;
	for (uint32_t i = 1; i < n; i++)
		if (at[i] >> 6 != 2)
			return 0;
	return n;
}

static void hex_byte(struct buffer *b, uint8_t c)
{
	static const char digit[] = "0123456789abcdef";
	char hex[4] = { '\\', 'x', digit[c >> 4], digit[c & 15] };

	buffer_bytes(b, hex, 4);
}

/* Would a terminal obey this character? (0xc2 begins those that 8-bit terminals take for controls.) */
static bool is_control(const uint8_t *at, uint32_t length)
{
	return !length || (*at < 0x20 && *at != '\n' && *at != '\t') || *at == 0x7f ||
	       (*at == 0xc2 && at[1] < 0xa0);
}

void traced_text(const struct session *s, struct buffer *b, const char *text, size_t n)
{
	const uint8_t *at = (const uint8_t *)text, *end = at + n;

	if (!s->terminal) {
		buffer_bytes(b, text, n);
		return;
	}
	while (at < end) {
		uint32_t length = utf8_length(at, (uint32_t)(end - at));

		if (is_control(at, length)) {
			hex_byte(b, *at++);
		} else {
			buffer_bytes(b, at, length);
			at += length;
		}
	}
}

/* A string without its NUL was cut, and says so: its last byte only tells that it went on. */
static void string_text(const struct session *s, struct buffer *b, const uint8_t *bytes,
			uint32_t capacity)
{
	size_t n = strnlen((const char *)bytes, capacity);

	traced_text(s, b, (const char *)bytes, n && n == capacity ? n - 1 : n);
	if (n == capacity && n)
		buffer_str(b, s->image->config.str_trunc_trailer);
}

static void bytes_text(struct buffer *b, const uint8_t *bytes, size_t n, char variant)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		char hex[2] = { digit[bytes[i] >> 4], digit[bytes[i] & 15] };

		if (variant == 'h') {
			buffer_bytes(b, i ? " " : "", i ? 1 : 0);
			buffer_bytes(b, hex, 2);
		} else if (variant == 'x' || bytes[i] < 0x20 || bytes[i] > 0x7e) {
			hex_byte(b, bytes[i]);
		} else {
			buffer_char(b, (char)bytes[i]);
		}
	}
}

/* The bytes of a buffer or a string. */
static struct str raw_bytes(const struct type *t, const uint8_t *slot)
{
	uint64_t n;

	if (t->kind == T_ARRAY)
		return (struct str){ (const char *)slot, t->size };
	if (t->kind == T_STRING)
		return (struct str){ (const char *)slot,
				     (uint32_t)strnlen((const char *)slot, t->len) };
	n = load_u64(slot);
	return (struct str){ (const char *)slot + SLOT, n < t->len ? (uint32_t)n : t->len };
}

static void ksym_text(struct session *s, struct buffer *b, uint64_t address)
{
	uint64_t offset;
	struct str name = s->ksyms && address ? ksyms_name(s->ksyms, address, &offset) : STR("");

	if (name.len)
		buffer_bytes(b, name.s, name.len);
	else
		buffer_printf(b, "%#llx", (unsigned long long)address);
}

/* Looking a user up reads files or asks daemons, so names are kept. The unknown stay numbers. */
static void user_text(struct session *s, struct buffer *b, uint32_t uid)
{
	struct user *u = &s->users[uid % USERS_CACHED];
	struct passwd *p;

	if (!u->known || u->uid != uid) {
		p = getpwuid(uid);
		u->known = true;
		u->uid = uid;
		if (p)
			snprintf(u->name, sizeof u->name, "%s", p->pw_name);
		else
			snprintf(u->name, sizeof u->name, "%u", uid);
	}
	buffer_bytes(b, u->name, strlen(u->name));
}

/* ---- the system's names ----------------------------------------------------------------- */

/* The path as it is when it prints: cgroups come and go. */
static void cgroup_text(struct buffer *b, struct str glob, uint64_t id)
{
	struct arena a = { 0 };

	buffer_str(b, cgroup_find(&a, id, glob));
	arena_free(&a);
}

static void named_text(struct buffer *b, const char *name, const char *unknown)
{
	buffer_str(b, str_of(name ? name : unknown));
}

static void macaddr_text(struct buffer *b, uint64_t bytes)
{
	for (int i = 0; i < 6; i++)
		buffer_printf(b, "%s%02X", i ? ":" : "", (unsigned)(bytes >> 8 * i & 0xff));
}

static void inet_text(struct buffer *b, const uint8_t *slot)
{
	char text[INET6_ADDRSTRLEN] = "";

	inet_ntop(load_u64(slot) == AF_INET6 ? AF_INET6 : AF_INET, slot + SLOT, text, sizeof text);
	buffer_bytes(b, text, strlen(text));
}

/* ---- time ------------------------------------------------------------------------------- */

/* Copies a strftime format with %f filled in. The last '.' tells an empty result from a failure. */
static void expand_micros(struct buffer *b, struct str fmt, int64_t nanos)
{
	b->n = 0;
	for (uint32_t i = 0; i < fmt.len; i++) {
		bool pair = fmt.s[i] == '%' && i + 1 < fmt.len;

		if (pair && fmt.s[i + 1] == 'f')
			buffer_printf(b, "%06lld", (long long)(nanos / 1000));
		else
			buffer_bytes(b, fmt.s + i, pair ? 2 : 1);
		i += pair;
	}
	buffer_bytes(b, ".", 2);
}

void time_text(struct session *s, struct buffer *b, struct str fmt, int64_t wall_ns)
{
	const int64_t second = 1000000000;
	int64_t nanos = (wall_ns % second + second) % second;
	time_t seconds = wall_ns / second - (wall_ns % second < 0);
	size_t room = TIME_ROOM, n = 0;
	struct tm tm;

	if (!localtime_r(&seconds, &tm))
		return;
	expand_micros(&s->scratch, fmt, nanos);
	for (; !n && room <= TIME_MAX; room *= 4)
		n = strftime(buffer_room(b, room), room, s->scratch.v, &tm);
	b->n += n ? n - 1 : 0;
}

/* ---- C's layout: arrays and structs ----------------------------------------------------- */

uint64_t load_sized(const uint8_t *at, uint32_t size, bool sign)
{
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;

	switch (size) {
	case 1:
		memcpy(&u8, at, 1);
		return sign ? (uint64_t)(int8_t)u8 : u8;
	case 2:
		memcpy(&u16, at, 2);
		return sign ? (uint64_t)(int16_t)u16 : u16;
	case 4:
		memcpy(&u32, at, 4);
		return sign ? (uint64_t)(int32_t)u32 : u32;
	default:
		return load_u64(at);
	}
}

static void c_text(struct session *, struct buffer *, const struct type *, const uint8_t *at);

uint64_t load_bits(const struct field *f, const uint8_t *at)
{
	uint64_t word = 0;

	memcpy(&word, at, field_bytes(f));
	word <<= 64 - f->bits - f->first_bit;
	return f->type->sign ? (uint64_t)((int64_t)word >> (64 - f->bits)) : word >> (64 - f->bits);
}

static void field_text(struct session *s, struct buffer *b, const struct field *f, const uint8_t *at)
{
	uint64_t slot;

	if (!f->bits) {
		c_text(s, b, f->type, at);
		return;
	}
	slot = load_bits(f, at);
	value_text(s, b, f->type, (const uint8_t *)&slot);
}

static void array_text(struct session *s, struct buffer *b, const struct type *t, const uint8_t *at)
{
	buffer_char(b, '[');
	for (uint32_t i = 0; i < t->len; i++) {
		buffer_bytes(b, ",", i ? 1 : 0);
		c_text(s, b, t->of, at + (size_t)i * t->of->size);
	}
	buffer_char(b, ']');
}

static void struct_text(struct session *s, struct buffer *b, const struct type *t,
			const uint8_t *at)
{
	buffer_char(b, '{');
	for (uint32_t i = 0; i < t->nfields; i++) {
		const struct field *f = &t->fields[i];

		buffer_printf(b, "%s.%.*s = ", i ? ", " : " ", STR_ARG(f->name));
		if (f->offset > t->size || t->size - f->offset < field_bytes(f))
			buffer_char(b, '?');
		else
			field_text(s, b, f, at + f->offset);
	}
	buffer_bytes(b, " }", 2);
}

static void c_text(struct session *s, struct buffer *b, const struct type *t, const uint8_t *at)
{
	uint64_t slot;

	switch (t->kind) {
	case T_STRING:
		traced_text(s, b, (const char *)at, strnlen((const char *)at, t->len));
		break;
	case T_ARRAY:
		array_text(s, b, t, at);
		break;
	case T_STRUCT:
		struct_text(s, b, t, at);
		break;
	default:
		if (!type_is_scalar(t))
			return;
		slot = load_sized(at, t->size, t->sign);
		value_text(s, b, t, (const uint8_t *)&slot);
	}
}

/* ---- slots ------------------------------------------------------------------------------ */

static void members_text(struct session *s, struct buffer *b, const struct type *t,
			 const uint8_t *slot)
{
	for (uint32_t i = 0; i < t->nfields; i++) {
		buffer_bytes(b, ", ", !i ? 0 : s->compact ? 1 : 2);
		value_text(s, b, t->fields[i].type, slot + t->fields[i].offset);
	}
}

/* "{ .a = 1, .b = 2 }", or "{.a=1,.b=2}" */
static void name_text(const struct session *s, struct buffer *b, struct str name, uint32_t i)
{
	buffer_char(b, i ? ',' : '{');
	buffer_printf(b, s->compact ? ".%.*s=" : " .%.*s = ", STR_ARG(name));
}

static void record_text(struct session *s, struct buffer *b, const struct type *t,
			const uint8_t *slot)
{
	for (uint32_t i = 0; i < t->nfields; i++) {
		name_text(s, b, t->fields[i].name, i);
		value_text(s, b, t->fields[i].type, slot + t->fields[i].offset);
	}
	buffer_str(b, s->compact ? STR("}") : STR(" }"));
}

static void tuple_text(struct session *s, struct buffer *b, const struct type *t,
		       const uint8_t *slot)
{
	if (type_is_record(t)) {
		record_text(s, b, t, slot);
		return;
	}
	buffer_char(b, '(');
	members_text(s, b, t, slot);
	buffer_char(b, ')');
}

static void buffer_text(struct buffer *b, const struct type *t, const uint8_t *slot)
{
	struct str bytes = raw_bytes(t, slot);

	bytes_text(b, (const uint8_t *)bytes.s, bytes.len, 0);
}

/* An enum's value by its name, if it has one. */
static void number_text(struct buffer *b, const struct type *t, uint64_t v)
{
	for (uint32_t i = 0; i < t->nvalues; i++)
		if ((uint64_t)t->values[i].value == v) {
			buffer_str(b, t->values[i].name);
			return;
		}
	integer_text(b, v, t->sign);
}

static void scalar_text(struct session *s, struct buffer *b, const struct type *t, uint64_t v)
{
	switch (t->kind) {
	case T_BOOL:
		buffer_str(b, v ? STR("true") : STR("false"));
		break;
	case T_POINTER:
		buffer_printf(b, "0x%llx", (unsigned long long)v);
		break;
	case T_KSYM:
		ksym_text(s, b, v);
		break;
	case T_USERNAME:
		user_text(s, b, (uint32_t)v);
		break;
	case T_TIMESTAMP:
		time_text(s, b, t->name, (int64_t)(v + (uint64_t)s->wall_offset));
		break;
	case T_STRERROR:
		named_text(b, strerrordesc_np((int)v), "Unknown error");
		break;
	case T_SIGNAL:
		named_text(b, sigdescr_np((int)v), "N/A");
		break;
	case T_SYSCALL:
		named_text(b, syscall_text(v), "Unknown syscall");
		break;
	case T_CGROUP:
		cgroup_text(b, t->name, v);
		break;
	case T_MACADDR:
		macaddr_text(b, v);
		break;
	default:
		number_text(b, t, v);
	}
}

void value_text(struct session *s, struct buffer *b, const struct type *t, const uint8_t *slot)
{
	switch (t->kind) {
	case T_ERROR:
	case T_VOID:
		break;
	case T_STRING:
		string_text(s, b, slot, t->len);
		break;
	case T_BUFFER:
		buffer_text(b, t, slot);
		break;
	case T_TUPLE:
		tuple_text(s, b, t, slot);
		break;
	case T_ARRAY:
	case T_STRUCT:
		c_text(s, b, t, slot);
		break;
	case T_INET:
		inet_text(b, slot);
		break;
	case T_USYM:
		usym_text(s, b, slot);
		break;
	case T_STACK:
		stack_text(s, b, t, slot);
		break;
	default:
		scalar_text(s, b, t, load_u64(slot));
	}
}

void key_text(struct session *s, struct buffer *b, const struct type *t, const uint8_t *slot)
{
	if (t->kind == T_TUPLE && !type_is_record(t))
		members_text(s, b, t, slot);
	else
		value_text(s, b, t, slot);
}

/* ---- printf ----------------------------------------------------------------------------- */

/* A format being printed, and the arguments that are left. */
struct print {
	struct session *s;
	struct buffer *b;
	const struct type *args;
	const uint8_t *data;
	uint32_t next;
};

static const struct type *next_arg(struct print *p, const uint8_t **slot)
{
	const struct field *f;

	if (!p->args || p->next >= p->args->nfields)
		return NULL;
	f = &p->args->fields[p->next++];
	*slot = p->data + f->offset;
	return f->type;
}

/* The number that a '*' stands for. */
static int next_star(struct print *p)
{
	const uint8_t *slot;
	const struct type *t = next_arg(p, &slot);
	int64_t n = t && type_is_scalar(t) ? (int32_t)load_u64(slot) : 0;

	return n > STAR_MAX ? STAR_MAX : n < -STAR_MAX ? -STAR_MAX : (int)n;
}

/* Cuts and pads what was printed since `from`. */
static void pad(struct buffer *b, const struct conversion *c, size_t from)
{
	size_t n = b->n - from, width = c->width > 0 ? (size_t)c->width : 0;

	if (c->conv == 's' && c->precision >= 0 && n > (size_t)c->precision) {
		n = (size_t)c->precision;
		b->n = from + n;
	}
	if (n >= width)
		return;
	buffer_fill(b, ' ', width - n);
	if (c->left)
		return;
	memmove(b->v + from + (width - n), b->v + from, n);
	memset(b->v + from, ' ', width - n);
}

static uint64_t narrow(uint64_t v, uint8_t length, bool sign)
{
	switch (length) {
	case 1:
		return sign ? (uint64_t)(int8_t)v : (uint8_t)v;
	case 2:
		return sign ? (uint64_t)(int16_t)v : (uint16_t)v;
	case 4:
		return sign ? (uint64_t)(int32_t)v : (uint32_t)v;
	default:
		return v;
	}
}

/* What stands before an integer's digits. */
static const char *prefix_of(const struct conversion *c, uint64_t magnitude, bool negative)
{
	if (c->conv == 'd' || c->conv == 'i')
		return negative ? "-" : c->plus ? "+" : c->blank ? " " : "";
	if (c->alt && magnitude && (c->conv == 'x' || c->conv == 'X'))
		return c->conv == 'x' ? "0x" : "0X";
	return "";
}

/* As C's printf has it; by hand, because half of an event's cost would be the library's parsing. */
static void print_integer(struct buffer *b, const struct conversion *c, uint64_t v)
{
	bool sign = c->conv == 'd' || c->conv == 'i';
	uint32_t base = c->conv == 'o' ? 8 : (c->conv | 32) == 'x' ? 16 : 10;
	const char *digit = c->conv == 'X' ? "0123456789ABCDEF" : "0123456789abcdef", *prefix;
	int n = 0, zeros, blanks;
	char digits[24], *at = digits + sizeof digits;
	bool negative;

	v = narrow(v, c->length, sign);
	negative = sign && (int64_t)v < 0;
	prefix = prefix_of(c, v, negative);
	v = negative ? -v : v;
	for (; v || (!n && c->precision); v /= base, n++)
		*--at = digit[v % base];
	if (c->alt && base == 8 && (!n || *at != '0')) {
		*--at = '0';
		n++;
	}
	zeros = c->precision > n ? c->precision - n : 0;
	blanks = c->width - (int)strlen(prefix) - n - zeros;
	if (blanks > 0 && c->zero && !c->left && c->precision < 0) {
		zeros += blanks;
		blanks = 0;
	}
	if (blanks > 0 && !c->left)
		buffer_fill(b, ' ', (size_t)blanks);
	buffer_bytes(b, prefix, strlen(prefix));
	buffer_fill(b, '0', (size_t)zeros);
	buffer_bytes(b, at, (size_t)n);
	if (blanks > 0 && c->left)
		buffer_fill(b, ' ', (size_t)blanks);
}

static void print_text(struct print *p, const struct conversion *c, const struct type *t,
		       const uint8_t *slot)
{
	size_t from = p->b->n;
	struct str bytes;

	if (c->variant == 'g') {
		gfp_text(p->b, load_u64(slot));
	} else if (c->conv == 'r' && (t->kind == T_BUFFER || t->kind == T_STRING || t->kind == T_ARRAY)) {
		bytes = raw_bytes(t, slot);
		bytes_text(p->b, (const uint8_t *)bytes.s, bytes.len, c->variant);
	} else {
		value_text(p->s, p->b, t, slot);
	}
	pad(p->b, c, from);
}

static void print_char(const struct print *p, const struct conversion *c, uint64_t v)
{
	size_t from = p->b->n;
	char byte = (char)v;

	traced_text(p->s, p->b, &byte, 1);
	pad(p->b, c, from);
}

/* False: there is no argument for it. */
static bool print_arg(struct print *p, struct conversion *c)
{
	const struct type *t;
	const uint8_t *slot;

	if (c->star_width)
		c->width = next_star(p);
	if (c->star_precision)
		c->precision = next_star(p);
	if (c->star_width && c->width < 0) {
		c->left = true;
		c->width = -c->width;
	}
	if (c->precision < 0)
		c->precision = -1;
	t = next_arg(p, &slot);
	if (!t)
		return false;
	if (c->conv == 's' || c->conv == 'r' || !type_is_scalar(t)) {
		print_text(p, c, t, slot);
	} else if (c->conv == 'c') {
		print_char(p, c, load_u64(slot));
	} else {
		if (c->conv == 'p') {
			c->conv = 'x';
			c->alt = true;
			c->length = 8;
		}
		print_integer(p->b, c, load_u64(slot));
	}
	return true;
}

void format_text(struct session *s, struct buffer *b, struct str fmt, const struct type *args,
		 const uint8_t *data)
{
	struct print p = { s, b, args, data, 0 };
	uint32_t pos = 0, done = 0;
	struct conversion c;

	while (format_next(fmt, &pos, &c)) {
		buffer_bytes(b, fmt.s + done, c.beg - done);
		done = c.end;
		if (c.conv == '%')
			buffer_char(b, '%');
		else if (!c.conv || !print_arg(&p, &c))
			buffer_bytes(b, fmt.s + c.beg, c.end - c.beg);
	}
	if (done < fmt.len)
		buffer_bytes(b, fmt.s + done, fmt.len - done);
}
