// SPDX-License-Identifier: Apache-2.0
/*
 * rawtracepoint: the kernel's tracepoints before their arguments are made into a record.
 *
 *	rawtracepoint:sched_switch  rawtracepoint:kvm:kvm_entry  rawtracepoint:sched_*
 *
 * The program's context is an array of words: what the tracepoint was called with. That costs less
 * than the record, and shows objects whole: arg1 of sched_switch is a task_struct's address.
 *
 * Each tracepoint has a function __traceiter_NAME (since Linux 5.10; before that only the variable
 * __tracepoint_NAME): kallsyms tells which there are, modules' too.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/build.h"
#include "codegen/image.h"
#include "sema/script.h"
#include "target/target.h"

/* ---- the tracepoints that there are ----------------------------------------------------- */

struct raw_event {
	const char *name, *module;
};

struct raw_events {
	struct arena *arena;
	VEC(struct raw_event) list;
};

static bool take_prefix(struct str *name, const char *prefix)
{
	uint32_t n = (uint32_t)strlen(prefix);

	if (!str_starts(*name, prefix))
		return false;
	*name = (struct str){ name->s + n, name->len - n };
	return true;
}

static bool note_event(void *ctx, const struct ksym *sym)
{
	struct raw_events *all = ctx;
	struct str name = sym->name;

	if (take_prefix(&name, "__traceiter_") || take_prefix(&name, "__tracepoint_"))
		*vec_push(all->arena, &all->list) = (struct raw_event){
			str_dup(all->arena, name), str_dup(all->arena, sym->module) };
	return true;
}

static int by_name(const void *x, const void *y)
{
	return strcmp(((const struct raw_event *)x)->name, ((const struct raw_event *)y)->name);
}

/* Sorted, each once. False: nobody can tell. */
static bool read_events(struct arena *a, struct raw_events *all)
{
	struct ksyms *k = ksyms_open();
	bool readable;
	uint32_t n = 0;

	*all = (struct raw_events){ .arena = a };
	readable = ksyms_each(k, note_event, all);
	ksyms_close(k);
	if (all->list.n)
		qsort(all->list.v, all->list.n, sizeof *all->list.v, by_name);
	for (uint32_t i = 0; i < all->list.n; i++)
		if (!n || strcmp(all->list.v[n - 1].name, all->list.v[i].name) != 0)
			all->list.v[n++] = all->list.v[i];
	all->list.n = n;
	return readable;
}

static bool in_module(struct str wanted, const char *module)
{
	return !wanted.len || glob_match(wanted, str_of(*module ? module : "vmlinux"));
}

/* ---- compiling -------------------------------------------------------------------------- */

/* Two parts are left: module (empty: any) and event. */
static bool parse_raw(struct script *s, struct attach_point *ap)
{
	if (ap->nparts == 1) {
		ap->part[1] = ap->part[0];
		ap->part[0] = (struct str){ "", 0 };
	} else if (ap->nparts != 2 || !ap->part[0].len) {
		return attach_malformed(s, ap);
	}
	ap->nparts = 2;
	return ap->part[1].len || attach_malformed(s, ap);
}

static void add_event(struct script *s, struct attach_point *ap, const char *name, const char *module)
{
	const char *shown = !ap->part[0].len ? "" : *module ? module : "vmlinux";
	struct target *t = attach_target(s, ap, "%s%s%s", shown, *shown ? ":" : "", name);

	t->name = name;
}

static void explain_missing(struct script *s, const struct attach_point *ap,
			    const struct raw_events *all, struct absence *absence)
{
	struct near near = { .wanted = ap->part[1] };

	absence->why = ap->part[0].len ? "no such tracepoint in this module" : "no such tracepoint";
	for (uint32_t i = 0; i < all->list.n; i++)
		str_near(&near, str_of(all->list.v[i].name));
	if (near.best.len)
		absence->hint = arena_printf(&s->arena, "did you mean '%s:%.*s'?", ap->kind->name,
					          STR_ARG(near.best));
}

static void expand_raw(struct script *s, struct attach_point *ap, struct absence *absence)
{
	bool wild = glob_has(ap->part[0]) || glob_has(ap->part[1]);
	struct raw_events all;

	if (!read_events(&s->arena, &all)) {
		absence->why = "/proc/kallsyms can't be read";
		if (!wild)
			add_event(s, ap, str_dup(&s->arena, ap->part[1]), "");
		return;
	}
	for (uint32_t i = 0; i < all.list.n; i++)
		if (in_module(ap->part[0], all.list.v[i].module) &&
		    glob_match(ap->part[1], str_of(all.list.v[i].name)))
			add_event(s, ap, all.list.v[i].name, all.list.v[i].module);
	if (!ap->targets.n && !wild)
		explain_missing(s, ap, &all, absence);
}

static ref arg_raw(struct build *b, const struct target *t, int n)
{
	(void)t;
	return build_ctx_load(b, n * 8, 8, false);
}

static const struct type *args_raw(struct script *s, struct target *t)
{
	if (!t->args)
		t->args = ctype_raw_tracepoint(s, str_of(t->name));
	return t->args;
}

/* The kernel's MAX_BPF_FUNC_ARGS; that this one has fewer, attaching shows. */
static uint32_t count_raw(const struct target *t)
{
	(void)t;
	return 12;
}

/* ---- attaching -------------------------------------------------------------------------- */

static const char *refusal(struct arena *a, int error)
{
	switch (error) {
	case ENOENT:
		return "no such tracepoint";
	case EINVAL:
		return "it has fewer arguments than the probe uses";
	default:
		return arena_printf(a, "the kernel does not take the program there: %s",
				    strerror(error));
	}
}

static int attach_raw(int prog_fd, const struct prog *prog, const struct target *t,
		      struct links *links)
{
	int fd = bpf_raw_tracepoint_open(t->name, prog_fd), error = errno;

	if (fd < 0) {
		links->why = attach_reason(error);
		if (!links->why)
			links->why = refusal(links->arena, error);
		return -error;
	}
	attach_keep(links, fd, prog, t);
	return 0;
}

/* ---- listing ---------------------------------------------------------------------------- */

/* The function that calls what is attached has the parameters' names. */
static uint32_t list_event(const struct probe_kind *kind, struct arena *a, const struct raw_event *e,
			   const char *name, struct btf_index *btf, FILE *out)
{
	fprintf(out, "%s:%s\n", kind->name, name);
	if (btf)
		btf_index_arguments(btf_index_module(btf, e->module),
				    str_of(arena_printf(a, "__traceiter_%s", e->name)), 1, false, out);
	return 1;
}

static uint32_t list_raw(const struct probe_kind *kind, struct arena *a, struct str pattern,
			 bool verbose, FILE *out)
{
	struct btf_index *btf = verbose ? btf_index_open(a) : NULL;
	struct raw_events all;
	uint32_t n = 0;

	read_events(a, &all);
	for (uint32_t i = 0; i < all.list.n; i++) {
		const struct raw_event *e = &all.list.v[i];
		const char *name = arena_printf(a, "%s:%s", *e->module ? e->module : "vmlinux", e->name);

		if (attach_listed(pattern, name) || attach_listed(pattern, e->name))
			n += list_event(kind, a, e, name, btf, out);
	}
	return n;
}

const struct probe_kind probe_rawtracepoint = {
	.name = "rawtracepoint",
	.alias = "rt",
	.form = "rawtracepoint:EVENT or rawtracepoint:MODULE:EVENT",
	.type = BPF_PROG_TYPE_RAW_TRACEPOINT,
	.provides = HAS_ARGN | HAS_ARGS,
	.parse = parse_raw,
	.expand = expand_raw,
	.args = args_raw,
	.arg = arg_raw,
	.arg_count = count_raw,
	.attach = attach_raw,
	.list = list_raw,
};
