// SPDX-License-Identifier: Apache-2.0
/*
 * fentry and fexit: kernel functions by their types, at less cost than kprobes.
 *
 *	fentry:vfs_read { args.count }  fexit:vfs_read { retval }  fentry:ext4:ext4_*
 *	fentry:bpf:xdp_prog  fexit:bpf:ID:xdp_prog
 *
 * BTF tells the functions' arguments and results; the program's context is an array of words, the
 * arguments and (fexit) then the result. A program belongs to one function: the kernel is told which
 * when it is loaded. Needs Linux 5.5 with BTF and ftrace's direct calls.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "codegen/build.h"
#include "codegen/image.h"
#include "probes/bpf_program.h"
#include "sema/script.h"
#include "target/target.h"

/* ---- compiling -------------------------------------------------------------------------- */

static bool is_program(const struct attach_point *ap)
{
	return str_is(ap->part[0], "bpf");
}

/* Three parts are left: module (empty: any; "bpf": programs), function, and a program's number. */
static bool parse_fentry(struct script *s, struct attach_point *ap)
{
	if (ap->nparts == 3 && is_program(ap)) {
		struct str id = ap->part[1];

		ap->part[1] = ap->part[2];
		ap->part[2] = id;
		return (id.len && ap->part[1].len) || attach_malformed(s, ap);
	}
	ap->part[2] = (struct str){ "", 0 };
	if (ap->nparts == 1) {
		ap->part[1] = ap->part[0];
		ap->part[0] = (struct str){ "", 0 };
	} else if (ap->nparts != 2 || !ap->part[0].len) {
		return attach_malformed(s, ap);
	}
	ap->nparts = 2;
	return ap->part[1].len || attach_malformed(s, ap);
}

static const struct type *args_fentry(struct script *s, struct target *t)
{
	if (!t->args)
		t->args = ctype_function(s, str_of(t->name), &t->retval);
	return t->args;
}

struct expansion {
	struct script *s;
	struct attach_point *ap;
	struct table known; /* the kernel's own functions that match */
	bool left_out;      /* something that matches would be dangerous */
};

static bool note_known(void *ctx, uint32_t id, struct str name)
{
	struct expansion *x = ctx;

	(void)id;
	if (glob_match(x->ap->part[1], name))
		table_set(&x->s->work, &x->known, name, x);
	return true;
}

/* Functions without types are left out: wildcards match what can be traced. */
static void add_function(void *ctx, const char *function, const char *module)
{
	struct expansion *x = ctx;
	struct str wanted = x->ap->part[0];
	const struct type *retval;
	struct target *t;

	if (!attach_in_module(wanted, str_of(module)))
		return;
	if (glob_has(x->ap->part[1]) && attach_is_dangerous(x->ap->kind, function)) {
		x->left_out = true;
		return;
	}
	if (!*module && x->known.n ? !table_get(&x->known, str_of(function))
				   : !ctype_function(x->s, str_of(function), &retval))
		return;
	t = attach_target(x->s, x->ap, "%s%s%s", wanted.len ? *module ? module : "vmlinux" : "",
			  wanted.len ? ":" : "", function);
	t->group = module;
	t->name = function;
}

static void explain_missing(struct script *s, const struct attach_point *ap, struct absence *absence)
{
	const struct copies *found = copies_find(s, ap->part[0], ap->part[1], false);

	absence->of_function = !found || (!found->functions.n && !found->fragments.n);
	if (absence->of_function)
		absence->why = "the kernel's BTF has no such function (inlined, or not there)";
	else if (found->functions.n && str_eq(found->functions.v[0].name, ap->part[1]))
		absence->why = "the kernel's BTF has no types of this function; kprobe and kretprobe need none";
	else
		absence->why = "the compiler made copies of this function, with types that BTF has not; kprobe "
			       "and kretprobe find them";
}

static void expand_fentry(struct script *s, struct attach_point *ap, struct absence *absence)
{
	struct expansion x = { .s = s, .ap = ap };
	struct str module = ap->part[0];

	if (is_program(ap)) {
		bpf_functions_expand(s, ap, absence);
		return;
	}
	absence->why = ctype_no_btf(s);
	if (absence->why)
		return;
	if (glob_has(module) || glob_has(ap->part[1])) {
		ctype_each_function(s, note_known, &x);
		if (!tracefs_functions(&s->arena, script_ksyms(s), ap->part[1], add_function, &x))
			absence->why = "neither tracefs' available_filter_functions nor /proc/kallsyms can be read";
		else if (!ap->targets.n && x.left_out)
			absence->why = attach_too_dangerous;
		return;
	}
	if (str_is(module, "vmlinux"))
		module.len = 0;
	add_function(&x, str_dup(&s->arena, ap->part[1]), str_dup(&s->arena, module));
	if (!ap->targets.n)
		explain_missing(s, ap, absence);
}

static ref arg_fentry(struct build *b, const struct target *t, int n)
{
	if (n >= 0)
		return build_ctx_load(b, n * 8, 8, false);
	if (n == -1)
		return build_ctx_load(b, (int32_t)t->args->size, 8, false);
	return t->address ? build_const(b, (int64_t)t->address) : build_symbol(b, str_of(t->name));
}

static uint32_t count_fentry(const struct target *t)
{
	return t->args ? t->args->size / 8 : 0;
}

/* ---- loading, attaching ----------------------------------------------------------------- */

static int prepare_fentry(const struct prog *prog, struct links *links, struct loading *loading)
{
	const struct target *t = &prog->targets[0];

	loading->attach_type = prog->kind->provides & HAS_RETVAL ? BPF_TRACE_FEXIT : BPF_TRACE_FENTRY;
	return t->number ? bpf_function_prepare(t, links, loading)
			 : btf_target(links, t->group, t->name, loading);
}

static const char *refusal(struct arena *a, int error)
{
	switch (error) {
	case 524: /* ENOTSUPP, which user space has no name for */
	case EOPNOTSUPP:
	case ENODEV:
	case EINVAL:
		return "this function can't be traced so: notrace, or the kernel has no direct calls of "
		       "ftrace (CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)";
	case EBUSY: /* there is no place where ftrace could call */
		return "this function can't be traced: it is notrace";
	case E2BIG:
		return "too many programs are attached to it already";
	default:
		return arena_printf(a, "the kernel does not attach the program: %s", strerror(error));
	}
}

static int attach_fentry(int prog_fd, const struct prog *prog, const struct target *t,
			 struct links *links)
{
	int fd = bpf_raw_tracepoint_open(NULL, prog_fd), error = errno;

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

struct listing {
	const struct probe_kind *kind;
	struct arena *arena;
	struct btf_index *btf;
	struct str pattern;
	bool verbose;
	FILE *out;
	uint32_t n;
};

static void list_one(void *ctx, const char *function, const char *module)
{
	struct listing *l = ctx;
	const char *name = arena_printf(l->arena, "%s:%s", *module ? module : "vmlinux", function);
	struct btf_index *btf;

	if (!attach_listed(l->pattern, name) && !attach_listed(l->pattern, function))
		return;
	btf = btf_index_module(l->btf, module);
	if (!btf_index_has(btf, str_of(function)))
		return;
	l->n += fprintf(l->out, "%s:%s\n", l->kind->name, name) > 0;
	if (l->verbose)
		btf_index_arguments(btf, str_of(function), 0, l->kind->provides & HAS_RETVAL, l->out);
}

static bool list_program(void *ctx, const struct bpf_function *f)
{
	struct listing *l = ctx;
	const char *name;

	if (!f->btf)
		return true;
	name = arena_printf(l->arena, "bpf:%u:%.*s", f->program, STR_ARG(f->name));
	if (!attach_listed(l->pattern, name) &&
	    !attach_listed(l->pattern, arena_printf(l->arena, "bpf:%.*s", STR_ARG(f->name))))
		return true;
	l->n += fprintf(l->out, "%s:%s\n", l->kind->name, name) > 0;
	if (l->verbose)
		btf_print_arguments(l->arena, f->btf, f->type_id, 0, l->kind->provides & HAS_RETVAL, l->out);
	return true;
}

static uint32_t list_fentry(const struct probe_kind *kind, struct arena *a, struct str pattern,
			    bool verbose, FILE *out)
{
	struct listing l = { .kind = kind, .arena = a, .pattern = pattern, .verbose = verbose, .out = out };

	l.btf = btf_index_open(a);
	tracefs_functions(a, NULL, STR("*"), list_one, &l);
	bpf_functions_each(a, list_program, &l);
	return l.n;
}

const struct probe_kind probe_fentry = {
	.name = "fentry",
	.alias = "f",
	.old_name = "kfunc",
	.form = "fentry:FUNCTION, fentry:MODULE:FUNCTION or fentry:bpf:[ID:]FUNCTION",
	.type = BPF_PROG_TYPE_TRACING,
	.provides = HAS_ARGS | HAS_ARGN | HAS_FUNC,
	.single = true,
	.parse = parse_fentry,
	.expand = expand_fentry,
	.args = args_fentry,
	.arg = arg_fentry,
	.arg_count = count_fentry,
	.prepare = prepare_fentry,
	.attach = attach_fentry,
	.list = list_fentry,
};

const struct probe_kind probe_fexit = {
	.name = "fexit",
	.alias = "fr",
	.old_name = "kretfunc",
	.form = "fexit:FUNCTION, fexit:MODULE:FUNCTION or fexit:bpf:[ID:]FUNCTION",
	.type = BPF_PROG_TYPE_TRACING,
	.provides = HAS_ARGS | HAS_ARGN | HAS_RETVAL | HAS_FUNC,
	.single = true,
	.parse = parse_fentry,
	.expand = expand_fentry,
	.args = args_fentry,
	.arg = arg_fentry,
	.arg_count = count_fentry,
	.prepare = prepare_fentry,
	.attach = attach_fentry,
	.list = list_fentry,
};
