// SPDX-License-Identifier: Apache-2.0
/*
 * tracepoint:CATEGORY:EVENT, with wildcards in both.
 *
 * The kernel's static tracepoints, as tracefs describes them. The program's context is the event's
 * record, so `args` is a struct at the record's own offsets. Which memory a pointer in it belongs
 * to the format doesn't say: system calls record what the process gave, all others what the kernel
 * had at hand.
 *
 * Where it is known why an event is missing, or why it is there and yet never happens, a row in
 * `reasons` says so: silence would look like an idle system.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "codegen/image.h"
#include "sema/script.h"
#include "target/target.h"

/* ---- reasons why an event is missing or silent ------------------------------------------ */

/* The xen category: arch/x86/xen and its multicalls, which are how a paravirtualised guest batches
 * its hypercalls. HVM and PVH guests have the code and never come by. */
static const char *xen_guest_reason(struct arena *a, const char *event)
{
	struct str type = target_read(a, "/sys/hypervisor/type");
	struct str guest = target_read(a, "/sys/hypervisor/guest_type");

	if (!type.len)
		return "this is not a Xen guest (there is no /sys/hypervisor/type)";
	if (!str_is(type, "xen"))
		return arena_printf(a, "this is not a Xen guest (/sys/hypervisor/type says %.*s)",
				    STR_ARG(type));
	if (!str_is(guest, "HVM") && !str_is(guest, "PVH"))
		return NULL;
	if (!strncmp(event, "xen_mc_", 7))
		return arena_printf(a, "this guest is %.*s: batched PV calls are never made here",
				    STR_ARG(guest));
	if (!strncmp(event, "xen_mmu_", 8) || !strncmp(event, "xen_cpu_", 8))
		return arena_printf(a, "this guest is %.*s: its page and descriptor tables need no "
				    "hypervisor", STR_ARG(guest));
	return NULL;
}

static const char *xen_reason(struct arena *a, const char *event, bool missing)
{
	if (missing && features_config(a, "CONFIG_XEN") == 'n')
		return "this kernel was built without Xen (CONFIG_XEN is not set)";
	if (missing && features_config(a, "CONFIG_XEN_PV") == 'n')
		return "this kernel was built without support for Xen PV guests "
		       "(CONFIG_XEN_PV is not set)";
	return xen_guest_reason(a, event);
}

static const struct {
	const char *category;
	const char *(*reason)(struct arena *, const char *event, bool missing);
} reasons[] = {
	{ "xen", xen_reason },
};

static const char *find_reason(struct arena *a, struct str category, const char *event,
			       bool missing)
{
	for (size_t i = 0; i < LEN(reasons); i++)
		if (str_is(category, reasons[i].category))
			return reasons[i].reason(a, event, missing);
	return NULL;
}

/* ---- compiling: the attach point -------------------------------------------------------- */

static bool parse_tracepoint(struct script *s, struct attach_point *ap)
{
	if (ap->nparts != 2 || !ap->part[0].len || !ap->part[1].len)
		return attach_malformed(s, ap);
	return true;
}

struct expansion {
	struct script *s;
	struct attach_point *ap;
};

static void add_target(void *ctx, const char *category, const char *event)
{
	struct expansion *x = ctx;
	struct target *t = attach_target(x->s, x->ap, "%s:%s", category, event);

	t->group = category;
	t->name = event;
}

struct near_names {
	struct near near;
	const char *last;
	uint32_t n;
};

static void near_event(void *ctx, const char *category, const char *event)
{
	struct near_names *names = ctx;

	(void)category;
	names->n++;
	str_near(&names->near, str_of(event));
}

/* Events of a category come one after the other. */
static void near_category(void *ctx, const char *category, const char *event)
{
	struct near_names *names = ctx;

	(void)event;
	if (!names->last || strcmp(names->last, category))
		str_near(&names->near, str_of(category));
	names->last = category;
}

/* What is wrong with a name that has no wildcard: its category, or its event? */
static void explain_missing(struct script *s, const struct attach_point *ap, struct absence *absence)
{
	struct near_names events = { .near.wanted = ap->part[1] };
	struct near_names categories = { .near.wanted = ap->part[0] };

	tracefs_each(&s->work, ap->part[0], STR("*"), near_event, &events);
	absence->why = "no such event";
	if (events.near.best.len) {
		absence->hint = arena_printf(&s->arena, "did you mean '%s:%.*s:%.*s'?", ap->kind->name,
					     STR_ARG(ap->part[0]), STR_ARG(events.near.best));
		return;
	}
	absence->hint = find_reason(&s->arena, ap->part[0], str_dup(&s->work, ap->part[1]), true);
	if (events.n)
		return;
	absence->why = "no such category";
	if (!absence->hint)
		absence->hint = attach_hint_module(s, ap->part[0]);
	if (absence->hint)
		return;
	tracefs_each(&s->work, STR("*"), STR("*"), near_category, &categories);
	if (categories.near.best.len)
		absence->hint = arena_printf(&s->arena, "did you mean the category '%.*s'?",
					     STR_ARG(categories.near.best));
}

static void warn_if_silent(struct script *s, struct attach_point *ap)
{
	const char *reason = find_reason(&s->arena, ap->part[0], ap->targets.v[0].name, false);

	if (reason)
		diag_warn(&s->diag, ap->at, "cannot-fire", "%.*s cannot fire: %s",
			  STR_ARG(ap->spec), reason);
}

/* --check asks for no privilege: what can't be looked up is taken at its word, and said. */
static void take_unchecked(struct script *s, struct attach_point *ap, const char *why)
{
	struct target *t = attach_target(s, ap, "%.*s:%.*s", STR_ARG(ap->part[0]), STR_ARG(ap->part[1]));

	t->group = t->name = ""; /* no event has this name: no fields */
	diag_warn(&s->diag, ap->at, "unchecked", "the event and its fields are not checked: %s", why);
}

static void expand_tracepoint(struct script *s, struct attach_point *ap, struct absence *absence)
{
	struct expansion x = { s, ap };

	if (!tracefs_root(&s->arena, &absence->why)) {
		if (s->check_only)
			take_unchecked(s, ap, absence->why);
		return;
	}
	tracefs_each(&s->arena, ap->part[0], ap->part[1], add_target, &x);
	if (ap->targets.n)
		warn_if_silent(s, ap);
	else if (!glob_has(ap->part[0]) && !glob_has(ap->part[1]))
		explain_missing(s, ap, absence);
	else
		absence->hint = find_reason(&s->arena, ap->part[0], "", true);
}

/* ---- compiling: the type of args -------------------------------------------------------- */

static bool is_char(struct str ctype)
{
	if (str_starts(ctype, "const "))
		ctype = (struct str){ ctype.s + 6, ctype.len - 6 };
	return str_is(ctype, "char");
}

/* "const char *" -> "const char" */
static struct str before(struct str ctype, char c)
{
	const char *end = memchr(ctype.s, c, ctype.len);

	if (end)
		ctype.len = (uint32_t)(end - ctype.s);
	while (ctype.len && ctype.s[ctype.len - 1] == ' ')
		ctype.len--;
	return ctype;
}

/* What a "T *" points to: characters, or a struct, which is looked up only if its fields are wanted. */
static const struct type *pointed_to(struct script *s, struct str ctype)
{
	struct str of = before(ctype, '*');

	if (ctype.s[ctype.len - 1] != '*' || memchr(ctype.s, '*', ctype.len) != ctype.s + ctype.len - 1)
		return &type_void;
	if (is_char(of))
		return &type_int8;
	if (str_starts(of, "const "))
		of = (struct str){ of.s + 6, of.len - 6 };
	if (!str_starts(of, "struct ") || memchr(of.s + 7, ' ', of.len - 7))
		return &type_void;
	return ctype_shell(s, str_dup(&s->arena, (struct str){ of.s + 7, of.len - 7 }));
}

static const struct type *pointer_type(struct script *s, const struct tracefs_field *f,
				       const char *category)
{
	return type_pointer(&s->types, pointed_to(s, f->ctype),
			    strcmp(category, "syscalls") ? SPACE_KERNEL : SPACE_USER);
}

/* How long a string or buffer is that the record only points at is not known before it is there. */
static const struct type *dynamic_type(struct script *s, const struct tracefs_field *f)
{
	return is_char(before(f->ctype, '[')) ? type_string(&s->types, s->config.max_strlen)
					      : type_buffer(&s->types, s->config.max_strlen);
}

/* System calls record each argument in 8 bytes, as it was in its register; the kernel takes the low
 * part that the C type says. So does this, or a dfd of -100 were 4294967196. (Little endian.) */
static const struct type *argument_type(struct str ctype)
{
	static const struct { const char *name; uint32_t size; bool sign; } known[] = {
		{ "int", 4, true },	 { "unsigned int", 4, false }, { "unsigned", 4, false },
		{ "u32", 4, false },	 { "__u32", 4, false },	       { "uint32_t", 4, false },
		{ "__s32", 4, true },	 { "uid_t", 4, false },	       { "gid_t", 4, false },
		{ "pid_t", 4, true },	 { "clockid_t", 4, true },     { "key_t", 4, true },
		{ "mqd_t", 4, true },	 { "timer_t", 4, true },       { "key_serial_t", 4, true },
		{ "qid_t", 4, false },	 { "umode_t", 2, false },      { "long", 8, true },
		{ "loff_t", 8, true },	 { "off_t", 8, true },	       { "rwf_t", 4, true },
	};

	if (str_starts(ctype, "const "))
		ctype = (struct str){ ctype.s + 6, ctype.len - 6 };
	for (size_t i = 0; i < LEN(known); i++)
		if (str_is(ctype, known[i].name))
			return type_int(known[i].size, known[i].sign);
	return &type_uint64;
}

static bool is_integer_size(uint32_t size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

/* Structs by value are rare; their bytes can still be had. */
static const struct type *field_type(struct script *s, const struct tracefs_field *f,
				     const char *category)
{
	if (f->data_loc)
		return dynamic_type(s, f);
	if (f->elements && is_char(before(f->ctype, '[')))
		return type_string(&s->types, f->size);
	if (f->elements && is_integer_size(f->element_size))
		return type_array(&s->types, type_int(f->element_size, f->is_signed), f->elements,
				  SPACE_KERNEL);
	if (f->pointer && f->size == 8)
		return pointer_type(s, f, category);
	if (f->size == 1 && str_is(f->ctype, "bool"))
		return &type_bool;
	if (f->size == 8 && !f->is_signed && !f->elements && arch_host()->little_endian &&
	    !strcmp(category, "syscalls"))
		return argument_type(f->ctype);
	if (!f->elements && is_integer_size(f->size))
		return type_int(f->size, f->is_signed);
	return type_array(&s->types, &type_uint8, f->size, SPACE_KERNEL);
}

static const struct type *args_tracepoint(struct script *s, struct target *t)
{
	struct tracefs_event event;
	struct field *fields;
	uint32_t n = 0;

	if (t->args)
		return t->args;
	if (!tracefs_event(&s->arena, t->group, t->name, &event))
		return NULL;
	fields = arena_alloc(&s->arena, (event.fields.n + 1) * sizeof *fields);
	for (uint32_t i = 0; i < event.fields.n; i++) {
		const struct tracefs_field *f = &event.fields.v[i];

		if (!f->size)
			continue; /* char buf[]: how much there is, only the record's length says */
		fields[n++] = (struct field){
			.name = f->name,
			.type = field_type(s, f, t->group),
			.offset = f->offset,
			.data_loc = f->data_loc,
			.rel_loc = f->rel_loc,
			.ctype = f->ctype,
		};
	}
	t->args = type_struct(&s->types, str_of(t->text), fields, n, event.size);
	return t->args;
}

/* ---- attaching -------------------------------------------------------------------------- */

/* On one CPU: the program is put on the event itself, and runs wherever that happens. No sample
 * period: perf would take a sample of each event on that CPU, for nobody. */
static int attach_tracepoint(int prog_fd, const struct prog *prog, const struct target *t,
			     struct links *links)
{
	int64_t id = tracefs_event_id(links->arena, t->group, t->name);
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.config = (uint64_t)id,
	};
	bool refused;
	int error;

	links->why = id < 0 ? attach_reason(errno) : NULL;
	if (id < 0) {
		if (links->why)
			return -EMFILE;
		tracefs_root(links->arena, &links->why);
		if (!links->why)
			links->why = "no such event";
		return -ENOENT;
	}
	error = attach_perf(&attr, -1, 0, prog_fd, prog, t, links, &refused);
	if (error && refused && !links->why)
		links->why = arena_printf(links->arena, "the kernel does not open the event: %s",
					  strerror(-error));
	return error;
}

/* ---- listing ---------------------------------------------------------------------------- */

struct listing {
	struct str pattern; /* for the whole name; empty: all were asked for by their parts */
	bool verbose;
	FILE *out;
	uint32_t n;
};

static void list_field(const struct tracefs_field *f, FILE *out)
{
	struct str type = f->elements || f->size == 0 ? before(f->ctype, '[') : f->ctype;
	struct str length = { type.s + type.len, f->ctype.len - type.len };

	while (length.len && length.s[0] == ' ')
		length.s++, length.len--;
	fprintf(out, "    %s%.*s %.*s%.*s\n",
		f->rel_loc ? "__rel_loc " : f->data_loc ? "__data_loc " : "", STR_ARG(type),
		STR_ARG(f->name), STR_ARG(length));
}

static void list_fields(const char *category, const char *name, FILE *out)
{
	struct arena a = { 0 };
	struct tracefs_event event;

	if (tracefs_event(&a, category, name, &event))
		for (uint32_t i = 0; i < event.fields.n; i++)
			list_field(&event.fields.v[i], out);
	arena_free(&a);
}

static void list_one(void *ctx, const char *category, const char *event)
{
	struct listing *l = ctx;
	char name[512];

	snprintf(name, sizeof name, "%s:%s", category, event);
	if (!attach_listed(l->pattern, name))
		return;
	fprintf(l->out, "tracepoint:%s\n", name);
	if (l->verbose)
		list_fields(category, event, l->out);
	l->n++;
}

/* With a colon the pattern says where to look; without, all names are compared whole. */
static uint32_t list_tracepoints(const struct probe_kind *kind, struct arena *a, struct str pattern,
				 bool verbose, FILE *out)
{
	const char *colon = pattern.len ? memchr(pattern.s, ':', pattern.len) : NULL;
	struct listing l = { .verbose = verbose, .out = out };
	struct str category = STR("*"), event = STR("*");

	(void)kind;
	if (colon) {
		category = (struct str){ pattern.s, (uint32_t)(colon - pattern.s) };
		event = (struct str){ colon + 1, pattern.len - category.len - 1 };
	} else {
		l.pattern = pattern;
	}
	tracefs_each(a, category, event, list_one, &l);
	return l.n;
}

const struct probe_kind probe_tracepoint = {
	.name = "tracepoint",
	.alias = "t",
	.form = "tracepoint:CATEGORY:EVENT",
	.type = BPF_PROG_TYPE_TRACEPOINT,
	.cookies = true,
	.provides = HAS_ARGS,
	.parse = parse_tracepoint,
	.expand = expand_tracepoint,
	.args = args_tracepoint,
	.attach = attach_tracepoint,
	.list = list_tracepoints,
};
