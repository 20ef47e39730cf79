// SPDX-License-Identifier: Apache-2.0
/*
 * BTF: the kernel's own description of its types, as it stands in /sys/kernel/btf.
 *
 * A file is opened when the first type is asked for. One pass over its records checks that each lies
 * within the file and threads those of one name together, by the offset of the name: no name is
 * looked at. A name is found in the other direction, by a search for its bytes among the strings,
 * which are few megabytes in one piece; its offset then leads to its records. So a question costs
 * what reading the strings costs. Few scripts ask more than a few; once the searches have cost about as
 * much as an index of the names, one is made.
 *
 * A module's BTF goes on where the kernel's ends, in ids as in strings. What is read here is
 * untrusted (--btf FILE): a record's members are within the file once btf_parse() has taken it; ids
 * and names in them may be anything, and are checked where they are followed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/target.h"

enum { BTF_MAX = 256 << 20, MAGIC = 0xeb9f };

struct string_index {
	struct arena *arena;
	uint64_t searched;         /* bytes, so far */
	/* By hash, linear probing: 1 + where a string begins; 0: free. NULL: not made yet. */
	uint32_t *slot, mask;
};

struct btf_file {
	const struct btf_file *base;
	struct str strings;
	const char *records;
	uint32_t first, end;       /* ids: of the first of its own, past the last */
	uint32_t first_string;     /* offset of its own strings' first byte */
	uint32_t *where;           /* offset of each record of its own */
	uint32_t *next;            /* id of the next record in the same bucket; 0: none */
	uint32_t *bucket, mask;    /* by offset of name */
	VEC(uint32_t) enums;       /* ids */
	struct string_index *index;
};

/* ---- records ---------------------------------------------------------------------------- */

/* How many bytes follow the record of a kind, for each of its n members and at all; -1: no such kind. */
static int64_t tail_size(uint32_t kind, uint32_t n)
{
	switch (kind) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_DATASEC:
	case BTF_KIND_ENUM64:
		return (int64_t)n * 12;
	case BTF_KIND_ENUM:
	case BTF_KIND_FUNC_PROTO:
		return (int64_t)n * 8;
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	default:
		return -1;
	}
}

static const struct btf_type *record_at(const struct btf_file *f, uint32_t id)
{
	return (const struct btf_type *)(const void *)(f->records + f->where[id - f->first]);
}

const struct btf_type *btf_record(const struct btf_file *f, uint32_t id)
{
	static const struct btf_type none = { .info = BTF_KIND_UNKN };

	while (f && id < f->first)
		f = f->base;
	return f && id < f->end ? record_at(f, id) : &none;
}

uint32_t btf_record_kind(const struct btf_type *t)
{
	return BTF_INFO_KIND(t->info);
}

uint32_t btf_record_members(const struct btf_type *t)
{
	return BTF_INFO_VLEN(t->info);
}

struct str btf_name(const struct btf_file *f, uint32_t offset)
{
	while (f->base && offset < f->first_string)
		f = f->base;
	offset -= f->first_string;
	return offset < f->strings.len ? str_of(f->strings.s + offset) : STR("");
}

/* ---- reading ---------------------------------------------------------------------------- */

static void add_record(struct arena *a, struct btf_file *f, uint32_t id, uint32_t offset)
{
	const struct btf_type *t = (const struct btf_type *)(const void *)(f->records + offset);
	uint32_t kind = btf_record_kind(t);

	f->where[id - f->first] = offset;
	if (kind == BTF_KIND_ENUM || kind == BTF_KIND_ENUM64)
		*vec_push(a, &f->enums) = id;
	if (!t->name_off)
		return;
	f->next[id - f->first] = f->bucket[t->name_off & f->mask];
	f->bucket[t->name_off & f->mask] = id;
}

/* How many records there are; 0 if one is none or goes past the end. */
static uint32_t count_records(const char *records, uint32_t size)
{
	uint32_t n = 0;

	for (uint32_t at = 0; at < size; n++) {
		const struct btf_type *t = (const struct btf_type *)(const void *)(records + at);
		int64_t tail;

		if (size - at < sizeof *t)
			return 0;
		tail = tail_size(btf_record_kind(t), btf_record_members(t));
		if (tail < 0 || tail > (int64_t)(size - at - sizeof *t))
			return 0;
		at += (uint32_t)(sizeof *t + (size_t)tail);
	}
	return n;
}

static void index_records(struct arena *a, struct btf_file *f, uint32_t n)
{
	uint32_t at = 0, buckets = 1;

	while (buckets < n)
		buckets *= 2;
	f->mask = buckets - 1;
	f->bucket = arena_alloc(a, buckets * sizeof *f->bucket);
	f->where = arena_alloc(a, (n + 1) * sizeof *f->where);
	f->next = arena_alloc(a, (n + 1) * sizeof *f->next);
	f->end = f->first + n;
	for (uint32_t id = f->first; id < f->end; id++) {
		const struct btf_type *t = (const struct btf_type *)(const void *)(f->records + at);

		add_record(a, f, id, at);
		at += (uint32_t)(sizeof *t + (size_t)tail_size(btf_record_kind(t), btf_record_members(t)));
	}
}

/* Are the sections that the header names there? */
static bool sections_fit(struct str bytes, const struct btf_header *h)
{
	uint64_t room = bytes.len - h->hdr_len;

	return (uint64_t)h->type_off + h->type_len <= room && (uint64_t)h->str_off + h->str_len <= room &&
	       h->type_off % 4 == 0 && h->hdr_len % 4 == 0 && h->str_len &&
	       !bytes.s[h->hdr_len + h->str_off + h->str_len - 1];
}

struct btf_file *btf_parse(struct arena *a, struct str bytes, const struct btf_file *base,
			   const char **why)
{
	struct btf_header h;
	struct btf_file *f = arena_alloc(a, sizeof *f);
	uint32_t n;

	*why = "it is no BTF of this machine's byte order";
	if (bytes.len < sizeof h)
		return NULL;
	memcpy(&h, bytes.s, sizeof h);
	if (h.magic != MAGIC || h.version != 1)
		return NULL;
	*why = "it is damaged";
	if (h.hdr_len < sizeof h || h.hdr_len > bytes.len || !sections_fit(bytes, &h))
		return NULL;
	f->index = arena_alloc(a, sizeof *f->index);
	f->index->arena = a;
	f->base = base;
	f->records = bytes.s + h.hdr_len + h.type_off;
	f->strings = (struct str){ bytes.s + h.hdr_len + h.str_off, h.str_len };
	f->first = base ? base->end : 1;
	f->first_string = base ? base->first_string + base->strings.len : 0;
	n = count_records(f->records, h.type_len);
	if (!n && h.type_len)
		return NULL;
	index_records(a, f, n);
	*why = NULL;
	return f;
}

/* Files under /sys have a true size here, but may be read only in pieces. */
static bool read_whole(int fd, char *to, size_t size)
{
	size_t done = 0;

	while (done < size) {
		ssize_t got = read(fd, to + done, size - done);

		if (got <= 0 && !(got < 0 && errno == EINTR))
			return false;
		done += got > 0 ? (size_t)got : 0;
	}
	return true;
}

static struct str read_bytes(struct arena *a, int fd, const char **why)
{
	struct stat st;
	char *bytes;

	*why = "it is no regular file of a sensible size";
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > BTF_MAX)
		return STR("");
	bytes = arena_alloc(a, (size_t)st.st_size);
	*why = "it can't be read";
	return read_whole(fd, bytes, (size_t)st.st_size) ? (struct str){ bytes, (uint32_t)st.st_size }
							 : STR("");
}

struct btf_file *btf_read(struct arena *a, const char *path, const struct btf_file *base,
			  const char **why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct str bytes;

	if (fd < 0) {
		*why = arena_printf(a, "%s", strerror(errno));
		return NULL;
	}
	bytes = read_bytes(a, fd, why);
	close(fd);
	return bytes.len ? btf_parse(a, bytes, base, why) : NULL;
}

static int is_module(const struct dirent *d)
{
	return d->d_name[0] != '.' && strcmp(d->d_name, "vmlinux") != 0;
}

uint32_t btf_modules(struct arena *a, const char ***names)
{
	struct dirent **entry;
	int n = scandir(target_path(a, BTF_FOLDER), &entry, is_module, alphasort);

	if (n < 0)
		return 0;
	*names = arena_alloc(a, ((size_t)n + 1) * sizeof **names);
	for (int i = 0; i < n; i++) {
		(*names)[i] = str_dup(a, str_of(entry[i]->d_name));
		free(entry[i]);
	}
	free(entry);
	return (uint32_t)n;
}

/* ---- looking up ------------------------------------------------------------------------- */

enum { NOWHERE = UINT32_MAX };

static uint32_t search_string(const struct btf_file *f, struct str name, uint32_t from)
{
	const char *s = f->strings.s, *end = s + f->strings.len;

	for (const char *at = s + from; at < end;) {
		at = memmem(at, (size_t)(end - at), name.s, name.len);
		if (!at)
			break;
		/* The section's last byte is zero, so there is one behind every string. */
		if (!at[name.len] && (at == s || !at[-1]))
			return (uint32_t)(at - s);
		at++;
	}
	return NOWHERE;
}

static void index_string(struct string_index *x, struct str string, uint32_t at)
{
	uint32_t i = (uint32_t)str_hash(string) & x->mask;

	while (x->slot[i])
		i = (i + 1) & x->mask;
	x->slot[i] = at + 1;
}

static void index_strings(const struct btf_file *f)
{
	struct string_index *x = f->index;
	const char *s = f->strings.s;
	uint32_t n = 0, slots = 2;

	for (uint32_t at = 1; at < f->strings.len; at++)
		n += !s[at] && s[at - 1];
	while (slots < 2 * n)
		slots *= 2;
	x->mask = slots - 1;
	x->slot = arena_alloc(x->arena, slots * sizeof *x->slot);
	for (uint32_t at = 0; at < f->strings.len;) {
		struct str string = str_of(s + at);

		if (string.len)
			index_string(x, string, at);
		at += string.len + 1;
	}
}

/* Equal strings stand in the index in the order of their offsets. */
static uint32_t look_string_up(const struct btf_file *f, struct str name, uint32_t from)
{
	const struct string_index *x = f->index;
	uint32_t i = (uint32_t)str_hash(name) & x->mask;

	for (; x->slot[i]; i = (i + 1) & x->mask)
		if (x->slot[i] > from && str_is(name, f->strings.s + x->slot[i] - 1))
			return x->slot[i] - 1;
	return NOWHERE;
}

/* The first string of f's own at or after `from` that is the name. */
static uint32_t find_string(const struct btf_file *f, struct str name, uint32_t from)
{
	enum { SEARCHES = 8 }; /* cost as much as the index */
	struct string_index *x = f->index;
	uint32_t at;

	if (!x->slot && x->searched > (uint64_t)SEARCHES * f->strings.len)
		index_strings(f);
	if (x->slot)
		return look_string_up(f, name, from);
	at = search_string(f, name, from);
	x->searched += (at == NOWHERE ? f->strings.len : at) - from;
	return at;
}

static bool is_searchable(struct str name)
{
	return name.len && !memchr(name.s, 0, name.len);
}

static uint32_t find_record(const struct btf_file *f, uint32_t name_off, uint32_t kinds)
{
	for (uint32_t id = f->bucket[name_off & f->mask]; id; id = f->next[id - f->first]) {
		const struct btf_type *t = record_at(f, id);

		if (t->name_off == name_off && kinds >> btf_record_kind(t) & 1)
			return id;
	}
	return 0;
}

uint32_t btf_find(const struct btf_file *f, struct str name, uint32_t kinds)
{
	if (!is_searchable(name))
		return 0;
	/* A module uses the kernel's strings, too. */
	for (const struct btf_file *owner = f; owner; owner = owner->base)
		for (uint32_t at = 0; (at = find_string(owner, name, at)) != NOWHERE; at++) {
			uint32_t id = find_record(f, at + owner->first_string, kinds);

			if (id)
				return id;
		}
	return 0;
}

/* Which of an enum's members has the name at that offset; -1: none. */
static int64_t find_member(const struct btf_type *t, uint32_t name_off)
{
	const uint32_t *word = (const uint32_t *)(t + 1);
	uint32_t words = btf_record_kind(t) == BTF_KIND_ENUM64 ? 3 : 2;

	for (uint32_t i = 0; i < btf_record_members(t); i++)
		if (word[i * words] == name_off)
			return i;
	return -1;
}

uint32_t btf_find_enumerator(const struct btf_file *f, struct str name, uint32_t *member)
{
	if (!is_searchable(name))
		return 0;
	for (const struct btf_file *owner = f; owner; owner = owner->base)
		for (uint32_t at = 0; (at = find_string(owner, name, at)) != NOWHERE; at++)
			for (uint32_t i = 0; i < f->enums.n; i++) {
				int64_t found = find_member(record_at(f, f->enums.v[i]),
							    at + owner->first_string);

				if (found < 0)
					continue;
				*member = (uint32_t)found;
				return f->enums.v[i];
			}
	return 0;
}

void btf_each(const struct btf_file *f, uint32_t kinds,
	      bool (*visit)(void *ctx, uint32_t id, struct str name), void *ctx)
{
	for (uint32_t id = f->first; id < f->end; id++) {
		const struct btf_type *t = record_at(f, id);

		if (kinds >> btf_record_kind(t) & 1 && t->name_off && !visit(ctx, id, btf_name(f, t->name_off)))
			return;
	}
}
