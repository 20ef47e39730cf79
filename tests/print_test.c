// SPDX-License-Identifier: Apache-2.0
/*
 * Tests of the printing half: events and maps go in as the programs would leave them, text comes
 * out. Cases stand in tests/print/, blank-line-separated, a directive a line:
 *
 *	NAME padded                    what the case is called
 *	PRINTF [%5s|%-5d]\n            an event; escapes as in the language. Or: VALUE (print of the
 *	ARG string[8] "ab"             one argument), JOIN separator, EXIT. Arguments follow, each a
 *	ARG int64 -5                   type and a value
 *	SHORT 1                        the record lacks its last byte
 *	STATUS 3                       the exit status that must come of it
 *	FORMAT json                    as -f has it
 *
 *	MAP @a (int64, string[8]) => sum int64       key's type, if any; aggregation or value's type
 *	ELEMENT -5 "x" => 7 2 | 8 1    a key, and its value on each CPU, in words as they lie in the
 *	                               map; of histograms bucket=count, but for the empty ones
 *	STORE cpu_hash                 put the elements into a map of the kernel's and read that
 *	DO print 3 10                  print (top, div), zero, clear, end (the dump of all maps)
 *
 *	LEDGER lost 5                  a counter; or full, div with the offset they are at, len
 *	LEFT 3                         what must be left in the last of the counters
 *	EXPECT text                    a line of output; what goes to stderr counts too
 *
 * Cases with STORE need CAP_BPF and are skipped without. What text cannot say is tested in C below:
 * interning, the inverse of the buckets, formats.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/print.h"
#include "target/target.h"

enum { ARGS_MAX = 16, CPUS_MAX = 16, SLOT = 8 };

struct counts {
	unsigned passed, failed, skipped;
};

/* A case under way. */
struct test {
	struct arena arena;
	struct types types;
	struct session s;
	struct image image;
	int map_fds[IMAGE_MAPS + 1];
	uint64_t ledger[8];
	struct map map;
	struct str name;
	const struct type *arg[ARGS_MAX];
	uint32_t nargs, cut;
	uint64_t left;
	struct event event;
	bool has_event, has_map;
	int status;
	struct buffer data;    /* the event's arguments */
	struct buffer expect;
	struct buffer problem; /* why the case itself is wrong */
	char *output;
	size_t size;
	const char *skip;
};

/* The one symbol there is. Stands in for target/ksyms.c. */
struct str ksyms_name(struct ksyms *k, uint64_t address, uint64_t *offset)
{
	(void)k;
	*offset = address & 0xfff;
	return address >> 12 == 0xffffffff81000 ? STR("vfs_read") : STR("");
}

static void report(struct counts *n, const char *name, const char *why)
{
	if (why) {
		printf("FAIL %s: %s\n", name, why);
		n->failed++;
	} else {
		printf("ok %s\n", name);
		n->passed++;
	}
}

/* ---- reading cases ---------------------------------------------------------------------- */

static void skip_blanks(const char **at)
{
	while (**at == ' ' || **at == '\t')
		++*at;
}

static bool take(const char **at, const char *word)
{
	size_t n = strlen(word);

	skip_blanks(at);
	if (strncmp(*at, word, n))
		return false;
	*at += n;
	return true;
}

static uint64_t take_number(const char **at)
{
	char *end;
	uint64_t v;

	skip_blanks(at);
	v = **at == '-' ? (uint64_t)strtoll(*at, &end, 0) : strtoull(*at, &end, 0);
	*at = end;
	return v;
}

static char take_escape(const char **at)
{
	char hex[3] = { 0 };
	char c = *(*at)++;

	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'x':
		hex[0] = **at;
		hex[1] = (*at)[1];
		*at += 2;
		return (char)strtoul(hex, NULL, 16);
	default:
		return c;
	}
}

/* Text up to `end` (0: of the line), escapes resolved. */
static struct str take_text(struct test *t, const char **at, char end)
{
	char *text = arena_alloc(&t->arena, strlen(*at) + 1);
	uint32_t n = 0;

	while (**at && **at != end) {
		char c = *(*at)++;

		text[n++] = c == '\\' && **at ? take_escape(at) : c;
	}
	*at += end && **at == end;
	return (struct str){ text, n };
}

static const struct type *take_type(struct test *t, const char **at);

static const struct type *take_tuple(struct test *t, const char **at)
{
	const struct type *member[ARGS_MAX];
	uint32_t n = 0;

	while (!take(at, ")") && **at && n < ARGS_MAX) {
		member[n++] = take_type(t, at);
		take(at, ",");
	}
	return type_tuple(&t->types, member, n);
}

static const struct type *take_named(struct test *t, const char **at)
{
	static const struct {
		const char *name;
		const struct type *type;
	} names[] = {
		{ "int8", &type_int8 },	    { "int16", &type_int16 },	{ "int32", &type_int32 },
		{ "int64", &type_int64 },   { "uint8", &type_uint8 },	{ "uint16", &type_uint16 },
		{ "uint32", &type_uint32 }, { "uint64", &type_uint64 }, { "bool", &type_bool },
		{ "ksym", &type_ksym },	    { "username", &type_username },
	};

	for (size_t i = 0; i < LEN(names); i++)
		if (take(at, names[i].name))
			return names[i].type;
	buffer_printf(&t->problem, "no type: %s", *at);
	*at += strlen(*at);
	return &type_void;
}

static const struct type *take_type(struct test *t, const char **at)
{
	const struct type *type;

	if (take(at, "("))
		return take_tuple(t, at);
	if (take(at, "pointer"))
		return type_pointer(&t->types, &type_void, SPACE_KERNEL);
	if (take(at, "timestamp\""))
		return type_timestamp(&t->types, take_text(t, at, '"'));
	if (take(at, "string["))
		type = type_string(&t->types, (uint32_t)take_number(at));
	else if (take(at, "buffer["))
		type = type_buffer(&t->types, (uint32_t)take_number(at));
	else
		type = take_named(t, at);
	if (type->len)
		take(at, "]");
	else if (take(at, "[")) {
		type = type_array(&t->types, type, (uint32_t)take_number(at), SPACE_NONE);
		take(at, "]");
	}
	return type;
}

/* Appends a value's slots. Arrays are given as bytes in a string; a buffer may claim another length
 * than that of its bytes: 99:"abc". */
static void take_value(struct test *t, const char **at, const struct type *type, struct buffer *b)
{
	uint64_t v;
	struct str text;
	size_t end = b->n + type_slot(type);

	if (type->kind == T_TUPLE) {
		for (uint32_t i = 0; i < type->nfields; i++) {
			take_value(t, at, type->fields[i].type, b);
			take(at, ",");
		}
		return;
	}
	skip_blanks(at);
	v = type->kind == T_BUFFER && **at != '"' ? take_number(at) : 0;
	if (take(at, type->kind == T_BUFFER && v ? ":\"" : "\"")) {
		text = take_text(t, at, '"');
		v = v ? v : text.len;
		if (type->kind == T_BUFFER)
			buffer_bytes(b, &v, sizeof v);
		buffer_str(b, text);
	} else {
		v = take_number(at);
		buffer_bytes(b, &v, sizeof v);
	}
	if (b->n > end)
		buffer_printf(&t->problem, "value too large for its type");
	else
		buffer_fill(b, 0, end - b->n);
}

/* ---- maps ------------------------------------------------------------------------------- */

static bool is_hist(const struct map *m)
{
	return m->agg == AGG_HIST || m->agg == AGG_LHIST;
}

/* What follows "=>" in MAP. */
static void take_kind(struct test *t, const char **at)
{
	struct map *m = &t->map;

	for (enum agg_kind kind = AGG_COUNT; kind < AGG_KINDS && !m->agg; kind++)
		if (take(at, agg_name(kind)))
			m->agg = kind;
	if (m->agg == AGG_HIST) {
		m->hist.bits = (uint32_t)take_number(at);
	} else if (m->agg == AGG_LHIST) {
		m->hist.min = (int64_t)take_number(at);
		m->hist.max = (int64_t)take_number(at);
		m->hist.step = (int64_t)take_number(at);
	} else if (m->agg == AGG_TSERIES) {
		m->series.interval = take_number(at);
		m->series.n = (uint32_t)take_number(at);
		skip_blanks(at);
		tseries_how((struct str){ *at, 3 }, &m->series.how);
		*at += m->series.how ? 3 : 0;
		m->val = take_type(t, at);
	} else if (m->agg == AGG_COUNT) {
		m->val = &type_uint64;
	} else {
		m->val = take_type(t, at);
	}
}

static void take_map(struct test *t, const char **at)
{
	const char *name;

	skip_blanks(at);
	name = *at;
	*at += strcspn(*at, " ");
	t->map.name = (struct str){ name, (uint32_t)(*at - name) };
	if (!take(at, "=>")) {
		t->map.key = take_type(t, at);
		take(at, "=>");
	}
	take_kind(t, at);
	t->map.max_entries = t->map.key ? 64 : 1;
	t->has_map = true;
	snapshot_begin(&t->s.snapshot, &t->map);
}

/* The words of one CPU. */
static void take_part(struct test *t, const char **at, uint64_t *words, uint32_t n)
{
	uint64_t v;

	memset(words, 0, n * sizeof *words);
	for (uint32_t i = 0; **at && **at != '|'; i++, skip_blanks(at)) {
		v = take_number(at);
		if (is_hist(&t->map) && take(at, "=")) {
			i = (uint32_t)v;
			v = take_number(at);
		}
		if (i >= n) {
			buffer_printf(&t->problem, "value too large: %s", *at);
			return;
		}
		words[i] = v;
	}
}

/* Into the kernel's map if there is one, else straight into the snapshot. */
static void put(struct test *t, const void *key, void *values, uint32_t parts)
{
	static const uint64_t keyless = 0;
	int fd = t->map_fds[IMAGE_MAPS];

	if (t->skip)
		return;
	if (fd < 0)
		snapshot_add(&t->s.snapshot, t->map.key ? key : NULL, values, parts);
	else if (bpf_map_update_elem(fd, t->map.key ? key : &keyless, values, BPF_ANY))
		buffer_printf(&t->problem, "map update: %s", strerror(errno));
}

static void put_aggregate(struct test *t, const char **at, const void *key)
{
	uint32_t n = agg_words(&t->map), parts = 0;
	uint64_t *words = arena_alloc(&t->arena, (size_t)n * SLOT * CPUS_MAX);

	do {
		skip_blanks(at);
		take_part(t, at, words + (size_t)parts++ * n, n);
	} while (take(at, "|") && parts < CPUS_MAX);
	if (t->map_fds[IMAGE_MAPS] >= 0 && parts > t->s.ncpus)
		t->skip = "too few CPUs";
	put(t, key, words, parts);
}

static void take_element(struct test *t, const char **at)
{
	struct buffer key = { .arena = &t->arena }, value = { .arena = &t->arena };
	uint64_t present = 1;

	buffer_room(&key, 1);
	if (t->map.key)
		take_value(t, at, t->map.key, &key);
	if (!take(at, "=>"))
		buffer_printf(&t->problem, "no => in ELEMENT");
	if (t->map.agg) {
		put_aggregate(t, at, key.v);
		return;
	}
	if (t->map_fds[IMAGE_MAPS] >= 0 && t->map.storage == STORE_DIRECT)
		buffer_bytes(&value, &present, sizeof present);
	take_value(t, at, t->map.val, &value);
	put(t, key.v, value.v, 1);
}

/* Makes the kernel's map for t->map. */
static void take_store(struct test *t, const char **at)
{
	static const struct {
		const char *name;
		enum storage storage;
		enum bpf_map_type type;
	} kinds[] = {
		{ "direct", STORE_DIRECT, BPF_MAP_TYPE_ARRAY },
		{ "hash", STORE_HASH, BPF_MAP_TYPE_HASH },
		{ "cpu_array", STORE_CPU_ARRAY, BPF_MAP_TYPE_PERCPU_ARRAY },
		{ "cpu_hash", STORE_CPU_HASH, BPF_MAP_TYPE_PERCPU_HASH },
	};
	struct image_map *m = &t->image.maps.v[IMAGE_MAPS];
	uint32_t i = 0;

	while (i + 1 < LEN(kinds) && !take(at, kinds[i].name))
		i++;
	t->map.storage = kinds[i].storage;
	m->value_size = t->map.agg ? agg_words(&t->map) * SLOT : type_slot(t->map.val);
	m->value_size += t->map.storage == STORE_DIRECT ? SLOT : 0;
	m->key_size = t->map.key ? type_slot(t->map.key) : SLOT;
	if (t->map.storage == STORE_DIRECT || t->map.storage == STORE_CPU_ARRAY)
		m->key_size = 4;
	m->max_entries = t->map.max_entries;
	m->map = &t->map;
	t->map_fds[IMAGE_MAPS] = bpf_map_create(kinds[i].type, "print_test", m->key_size,
						m->value_size, m->max_entries, NULL);
	if (t->map_fds[IMAGE_MAPS] < 0)
		t->skip = strerror(errno);
}

static void do_step(struct test *t, const char **at)
{
	bool kernel = t->map_fds[IMAGE_MAPS] >= 0;
	int64_t top, div;

	if (t->skip || t->problem.n)
		return;
	if (take(at, "print")) {
		top = (int64_t)take_number(at);
		div = (int64_t)take_number(at);
		if (kernel)
			print_map(&t->s, &t->map, top, div);
		else
			print_snapshot(&t->s, top, div);
	} else if (!kernel) {
		buffer_printf(&t->problem, "DO %s needs STORE", *at);
	} else if (take(at, "zero")) {
		zero_map(&t->s, &t->map);
	} else if (take(at, "clear")) {
		clear_map(&t->s, &t->map);
	} else if (take(at, "end")) {
		print_all_maps(&t->s);
	} else {
		buffer_printf(&t->problem, "no such step: %s", *at);
	}
}

/* ---- events and the ledger -------------------------------------------------------------- */

static void take_event(struct test *t, enum event_kind kind, const char **at)
{
	t->event.kind = kind;
	if (kind == EV_PRINTF || kind == EV_JOIN)
		t->event.fmt = take_text(t, at, 0);
	t->has_event = true;
}

static void send_event(struct test *t)
{
	struct buffer record = { .arena = &t->arena };
	char *exact;

	buffer_fill(&record, 0, EVENT_HEADER);
	if (t->data.n)
		buffer_bytes(&record, t->data.v, t->data.n);
	if (t->nargs)
		t->event.args = type_tuple(&t->types, t->arg, t->nargs);
	*vec_push(&t->arena, &t->image.events) = t->event;
	record.n -= t->cut < record.n ? t->cut : record.n;
	/* In memory of just that size, so that a sanitizer sees what is read past it. */
	exact = malloc(record.n + !record.n);
	if (exact) {
		memcpy(exact, record.v, record.n);
		handle_event(&t->s, exact, record.n);
	}
	free(exact);
}

static void take_ledger(struct test *t, const char **at)
{
	struct ledger_entry e = { .kind = LEDGER_START, .map = &t->map };
	uint64_t n;

	if (take(at, "lost"))
		e.kind = LEDGER_LOST_EVENTS;
	else if (take(at, "cut"))
		e.kind = LEDGER_KEY_CUT;
	else if (take(at, "race"))
		e.kind = LEDGER_RACE;
	else if (take(at, "full"))
		e.kind = LEDGER_MAP_FULL;
	else if (take(at, "div"))
		e.kind = LEDGER_DIV_ZERO;
	else if (take(at, "len"))
		e.kind = LEDGER_MAP_LEN;
	n = take_number(at);
	e.at.beg = (uint32_t)take_number(at);
	e.at.end = e.at.beg + 1;
	if (t->image.ledger.n == LEN(t->ledger))
		return;
	t->ledger[t->image.ledger.n] = n;
	*vec_push(&t->arena, &t->image.ledger) = e;
	t->left = n;
	t->map.counted = t->map.counted || e.kind == LEDGER_MAP_LEN;
}

/* ---- a case ----------------------------------------------------------------------------- */

static void directive(struct test *t, const char *at)
{
	const struct type *type;

	if (take(&at, "NAME "))
		t->name = str_of(at);
	else if (take(&at, "PRINTF "))
		take_event(t, EV_PRINTF, &at);
	else if (take(&at, "VALUE"))
		take_event(t, EV_PRINT_VALUE, &at);
	else if (take(&at, "JOIN "))
		take_event(t, EV_JOIN, &at);
	else if (take(&at, "EXIT"))
		take_event(t, EV_EXIT, &at);
	else if (take(&at, "ARG ") && t->nargs < ARGS_MAX) {
		type = t->arg[t->nargs++] = take_type(t, &at);
		take_value(t, &at, type, &t->data);
	} else if (take(&at, "SHORT "))
		t->cut = (uint32_t)take_number(&at);
	else if (take(&at, "FORMAT "))
		t->s.format = out_find(at);
	else if (take(&at, "STATUS "))
		t->status = (int)take_number(&at);
	else if (take(&at, "MAP "))
		take_map(t, &at);
	else if (take(&at, "STORE "))
		take_store(t, &at);
	else if (take(&at, "ELEMENT"))
		take_element(t, &at);
	else if (take(&at, "DO "))
		do_step(t, &at);
	else if (take(&at, "LEDGER "))
		take_ledger(t, &at);
	else if (take(&at, "LEFT "))
		t->left = take_number(&at);
	else if (!strncmp(at, "EXPECT", 6)) {
		at += 6 + (at[6] == ' ');
		buffer_printf(&t->expect, "%s\n", at);
	} else
		buffer_printf(&t->problem, "no such directive: %s", at);
}

static void begin(struct test *t)
{
	struct str text = STR("one\ntwo = 1 / 0\n");

	memset(t, 0, sizeof *t);
	t->types.arena = t->data.arena = t->expect.arena = t->problem.arena = &t->arena;
	for (int i = 0; i <= IMAGE_MAPS; i++) {
		*vec_push(&t->arena, &t->image.maps) = (struct image_map){ .name = "" };
		t->map_fds[i] = -1;
	}
	source_init(&t->arena, &t->image.source, "x.bt", text);
	t->image.config = (struct config){ .print_maps_on_exit = true, .str_trunc_trailer = STR("..") };
	session_init(&t->s, &t->image);
	t->s.wall_offset = t->s.tai_offset = 0;
	t->s.ksyms = (struct ksyms *)t; /* for the stand-in above, which does not look at it */
	t->s.ledger = t->ledger;
	t->s.map_fds = t->map_fds;
	t->s.out = t->s.err = open_memstream(&t->output, &t->size);
}

static const char *verdict(struct test *t)
{
	if (t->problem.n)
		return arena_printf(&t->arena, "bad case: %.*s", (int)t->problem.n, t->problem.v);
	if (t->size != t->expect.n || (t->size && memcmp(t->output, t->expect.v, t->size)))
		return arena_printf(&t->arena, "got:\n%s", t->output);
	if (t->status != t->s.exit_status)
		return arena_printf(&t->arena, "status %d", t->s.exit_status);
	if (t->image.ledger.n && t->left != t->ledger[t->image.ledger.n - 1])
		return "another count was left in the ledger";
	return NULL;
}

static void finish(struct test *t, struct counts *n)
{
	const char *name = t->name.s ? t->name.s : "(no name)";

	if (t->has_event && !t->problem.n)
		send_event(t);
	ledger_report(&t->s, t->s.err);
	fclose(t->s.out);
	if (t->skip) {
		printf("skip %s: %s\n", name, t->skip);
		n->skipped++;
	} else {
		report(n, name, verdict(t));
	}
	if (t->map_fds[IMAGE_MAPS] >= 0)
		close(t->map_fds[IMAGE_MAPS]);
	free(t->output);
	session_free(&t->s);
	arena_free(&t->arena);
}

static void run_file(const char *path, struct counts *n)
{
	struct arena arena = { 0 };
	struct source src = { 0 };
	struct test t;
	const char *error;
	bool open = false;

	source_init(&arena, &src, path, source_read(&arena, path, 1 << 20, &error));
	if (error)
		report(n, path, error);
	for (uint32_t i = 1; !error && i <= src.lines.n; i++) {
		struct str line = source_line(&src, i);

		if (line.len && line.s[0] == '#')
			continue;
		if (line.len && !open)
			begin(&t);
		if (line.len)
			directive(&t, str_dup(&t.arena, line));
		if (!line.len && open)
			finish(&t, n);
		open = line.len;
	}
	if (open)
		finish(&t, n);
	arena_free(&arena);
}

/* ---- what cases cannot say -------------------------------------------------------------- */

static const char *check_hist(void)
{
	for (uint32_t bits = 0; bits <= HIST_BITS_MAX; bits++) {
		uint32_t last = hist_buckets(bits) - 1;

		if (hist_bucket(-1, bits) || hist_bucket(INT64_MIN, bits))
			return "a negative value is not in bucket 0";
		if (hist_bucket(0, bits) != 1 || hist_bucket(INT64_MAX, bits) != last)
			return "0 or the greatest value is in a wrong bucket";
		for (uint32_t i = 1; i <= last; i++)
			if (hist_bucket((int64_t)hist_bound(i, bits), bits) != i ||
			    hist_bucket((int64_t)(hist_bound(i + 1, bits) - 1), bits) != i)
				return "a bound is not in its bucket";
	}
	return NULL;
}

static const char *check_lhist(void)
{
	struct hist_shape even = { .min = 0, .max = 10, .step = 2 };
	struct hist_shape odd = { .min = -5, .max = 5, .step = 3 };
	struct hist_shape wide = { .min = INT64_MIN, .max = INT64_MAX, .step = INT64_MAX };

	if (lhist_buckets(&even) != 7 || lhist_buckets(&odd) != 5 || lhist_buckets(&wide) != 4)
		return "wrong number of buckets";
	if (lhist_bucket(-1, &even) != 0 || lhist_bucket(0, &even) != 1 ||
	    lhist_bucket(9, &even) != 5 || lhist_bucket(10, &even) != 6 ||
	    lhist_bucket(INT64_MAX, &even) != 6)
		return "wrong bucket";
	if (lhist_bucket(-6, &odd) != 0 || lhist_bucket(4, &odd) != 4 ||
	    lhist_bucket(5, &odd) != 4 || lhist_bucket(INT64_MAX, &wide) != 3)
		return "wrong bucket where the step does not divide the range";
	return NULL;
}

static const char *check_types(void)
{
	struct arena arena = { 0 };
	struct types types = { .arena = &arena };
	const struct type *string = type_string(&types, 16);
	const struct type *member[] = { &type_int8, string };
	const struct type *tuple = type_tuple(&types, member, 2);
	const struct type *pointer = type_pointer(&types, tuple, SPACE_USER);
	const char *why = NULL;

	if (type_string(&types, 16) != string || type_string(&types, 17) == string ||
	    type_buffer(&types, 16) == string || type_tuple(&types, member, 2) != tuple ||
	    type_tuple(&types, member, 1) == tuple ||
	    type_pointer(&types, tuple, SPACE_USER) != pointer ||
	    type_pointer(&types, tuple, SPACE_KERNEL) == pointer ||
	    type_timestamp(&types, STR("%H")) != type_timestamp(&types, STR("%H")) ||
	    type_timestamp(&types, STR("%H")) == type_timestamp(&types, STR("%M")))
		why = "interning";
	else if (type_slot(string) != 16 || type_slot(type_string(&types, 17)) != 24 ||
		 type_slot(type_buffer(&types, 1)) != 16 || type_slot(tuple) != 24 ||
		 tuple->fields[1].offset != 8 || type_slot(&type_int8) != 8)
		why = "slots";
	else if (strcmp(type_text(&arena, pointer), "(int8, string[16]) *") != 0)
		why = type_text(&arena, pointer);
	if (why)
		printf("# %s\n", why);
	arena_free(&arena);
	return why ? "see above" : NULL;
}

/* A struct lies as C has it; no program of ours writes one yet that is larger than it says. */
static const char *check_struct(void)
{
	static const uint8_t bytes[16] = { 1, 0, 0xfe, 0xff, 3, 0, 0, 0, 'a', 'b', 0, 0, 7, 8, 9 };
	struct test t;
	struct field f[5] = { { .name = STR("a"), .type = &type_uint8 },
			      { .name = STR("b"), .type = &type_int16, .offset = 2 },
			      { .name = STR("c"), .offset = 8 },
			      { .name = STR("d"), .offset = 12 },
			      { .name = STR("e"), .type = &type_int64, .offset = 12 } };
	const char *why = NULL;

	begin(&t);
	f[2].type = type_string(&t.types, 4);
	f[3].type = type_array(&t.types, &type_uint8, 3, SPACE_NONE);
	value_text(&t.s, &t.data, type_struct(&t.types, STR("x"), f, 5, sizeof bytes), bytes);
	buffer_char(&t.data, 0);
	if (strcmp(t.data.v, "{ .a = 1, .b = -2, .c = ab, .d = [7,8,9], .e = ? }") != 0) {
		printf("# %s\n", t.data.v);
		why = "see above";
	}
	fclose(t.s.out);
	free(t.output);
	session_free(&t.s);
	arena_free(&t.arena);
	return why;
}

static const char *check_format(void)
{
	static const struct {
		const char *fmt;
		char conv;
		uint32_t end;
		int width, precision;
		uint8_t length;
	} cases[] = {
		{ "%d", 'd', 2, -1, -1, 4 },	{ "%-08.3lldx", 'd', 9, 8, 3, 8 },
		{ "%hhu", 'u', 4, -1, -1, 1 },	{ "%hx", 'x', 3, -1, -1, 2 },
		{ "%zu", 'u', 3, -1, -1, 8 },	{ "%.d", 'd', 3, -1, 0, 4 },
		{ "%", 0, 1, -1, -1, 4 },	{ "%5", 0, 2, 5, -1, 4 },
		{ "%yd", 0, 2, -1, -1, 4 },	{ "%n", 0, 2, -1, -1, 4 },
		{ "%%d", '%', 2, -1, -1, 4 },	{ "%rxy", 'r', 3, -1, -1, 4 },
		{ "%99999d", 0, 6, -2, -1, 4 }, { "%lc", 'c', 3, -1, -1, 8 },
	};
	struct conversion c;

	for (size_t i = 0; i < LEN(cases); i++) {
		uint32_t pos = 0;

		if (!format_next(str_of(cases[i].fmt), &pos, &c) || c.conv != cases[i].conv ||
		    c.end != cases[i].end || pos != c.end || c.width != cases[i].width ||
		    c.precision != cases[i].precision || c.length != cases[i].length)
			return cases[i].fmt;
	}
	return NULL;
}

/* One integer through our printf and the library's. */
static bool same_as_library(struct test *t, const char *fmt, int64_t v)
{
	char wanted[128], spec[32];
	struct field f = { .type = &type_int64 };
	struct type tuple = { .kind = T_TUPLE, .size = SLOT, .fields = &f, .nfields = 1 };

	/* The library must be told that the argument has 64 bits. */
	snprintf(spec, sizeof spec, "%.*sll%c", (int)strlen(fmt) - 1, fmt, fmt[strlen(fmt) - 1]);
	snprintf(wanted, sizeof wanted, spec, (long long)v);
	t->data.n = 0;
	format_text(&t->s, &t->data, str_of(spec), &tuple, (const uint8_t *)&v);
	buffer_char(&t->data, 0);
	if (!strcmp(t->data.v, wanted))
		return true;
	printf("# %s of %lld: %s, not %s\n", spec, (long long)v, wanted, t->data.v);
	return false;
}

/* Every combination of flags, some widths and precisions, against the C library. */
static const char *check_integers(void)
{
	static const int64_t values[] = { 0, 1, -1, 7, 255, -256, INT64_MIN, INT64_MAX };
	static const char *const widths[] = { "", "1", "6", "30", ".0", ".3", "9.3", "3.9", ".30" };
	static const char convs[] = "diuoxX";
	struct test t;
	bool same = true;

	begin(&t);
	for (unsigned i = 0; same && i < 32 * LEN(widths) * (sizeof convs - 1) * LEN(values); i++) {
		unsigned flags = i % 32, rest = i / 32;
		char fmt[24] = "%";

		for (int f = 0; f < 5; f++)
			if (flags >> f & 1)
				strncat(fmt, &"-+ #0"[f], 1);
		strcat(fmt, widths[rest % LEN(widths)]);
		rest /= LEN(widths);
		strncat(fmt, &convs[rest % (sizeof convs - 1)], 1);
		same = same_as_library(&t, fmt, values[rest / (sizeof convs - 1)]);
	}
	fclose(t.s.out);
	free(t.output);
	session_free(&t.s);
	arena_free(&t.arena);
	return same ? NULL : "see above";
}

int main(int argc, char **argv)
{
	struct counts n = { 0 };

	setenv("TZ", "UTC", 1);
	report(&n, "hist buckets", check_hist());
	report(&n, "lhist buckets", check_lhist());
	report(&n, "types", check_types());
	report(&n, "structs", check_struct());
	report(&n, "formats", check_format());
	report(&n, "integers", check_integers());
	for (int i = 1; i < argc; i++)
		run_file(argv[i], &n);
	printf("%u passed, %u failed, %u skipped\n", n.passed, n.failed, n.skipped);
	return n.failed != 0;
}
