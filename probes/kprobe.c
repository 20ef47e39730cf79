// SPDX-License-Identifier: Apache-2.0
/*
 * kprobe and kretprobe: any kernel function, at its entry, at an instruction or at its return.
 *
 *	kprobe:vfs_read  kprobe:ext4:ext4_readdir  kprobe:vfs_read+8  kprobe:vfs_*  kprobe:0xffffffff81234560
 *
 * The program's context is struct pt_regs; the functions' types are not known, so arguments are
 * register values. parse() leaves three parts: module (empty: any), function, offset (empty: none).
 *
 * A name without a wildcard is looked up in kallsyms, where that can be read, so that a typing
 * error is found when the script is compiled. Whether the kernel lets the function be probed
 * (notrace, blacklist) only attaching shows.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/build.h"
#include "codegen/image.h"
#include "lexer/lexer.h"
#include "sema/script.h"
#include "target/target.h"

/* ---- compiling: the attach point -------------------------------------------------------- */

static bool bad_offset(struct script *s, const struct attach_point *ap, const char *text)
{
	diag_error(&s->diag, attach_span(ap, ap->part[2]), "probe-offset", "%s", text);
	return false;
}

/* Takes "+8" off the function's name. */
static bool parse_offset(struct script *s, struct attach_point *ap)
{
	struct str *function = &ap->part[1], *offset = &ap->part[2];
	const char *plus = memchr(function->s, '+', function->len);
	uint64_t number;

	*offset = (struct str){ "", 0 };
	if (!plus)
		return true;
	*offset = (struct str){ plus + 1, (uint32_t)(function->s + function->len - plus - 1) };
	function->len = (uint32_t)(plus - function->s);
	if (!str_to_u64(*offset, &number) || number > INT32_MAX)
		return bad_offset(s, ap, "the offset into a function is a number of bytes");
	if (ap->kind->provides & HAS_RETVAL)
		return bad_offset(s, ap, "a return has no offset: kretprobe takes none");
	if (glob_has(*function))
		return bad_offset(s, ap, "an offset belongs to one function, not to a wildcard");
	return true;
}

static bool is_address(struct str function)
{
	return function.len > 2 && function.s[0] == '0' && (function.s[1] == 'x' || function.s[1] == 'X');
}

/* Nobody knows what is there, and kernels don't check everything. */
static bool parse_address(struct script *s, struct attach_point *ap)
{
	const char *error;
	uint64_t address;
	uint32_t e;

	ap->part[2] = (struct str){ "", 0 };
	if (ap->part[0].len || !number_parse(ap->part[1], &address, &error))
		return attach_malformed(s, ap);
	if (s->unsafe)
		return true;
	e = diag_error(&s->diag, ap->at, "kprobe-address",
		       "a probe at an address that is in the middle of an instruction can crash the kernel");
	diag_hint(&s->diag, e, "name the function, with an offset if need be; xbt --unsafe allows addresses");
	return false;
}

static bool parse_kprobe(struct script *s, struct attach_point *ap)
{
	if (ap->nparts == 1) {
		ap->part[1] = ap->part[0];
		ap->part[0] = (struct str){ "", 0 };
	} else if (ap->nparts != 2 || !ap->part[0].len) {
		return attach_malformed(s, ap);
	}
	ap->nparts = 3;
	if (!ap->part[1].len || ap->part[1].s[0] == '+')
		return attach_malformed(s, ap);
	return is_address(ap->part[1]) ? parse_address(s, ap) : parse_offset(s, ap);
}

/* ---- compiling: the targets ------------------------------------------------------------- */

/* The kernel proper among its modules. */
static struct str module_name(struct str module)
{
	return module.len ? module : STR("vmlinux");
}

/* The module is part of the full name only where the script asked for one. */
static struct target *add_function(struct script *s, struct attach_point *ap, struct str function,
				   struct str module)
{
	struct str shown = ap->part[0].len ? module_name(module) : STR(""), offset = ap->part[2];
	struct target *t = attach_target(s, ap, "%.*s%s%.*s%s%.*s", STR_ARG(shown),
					 shown.len ? ":" : "", STR_ARG(function),
					 offset.len ? "+" : "", STR_ARG(offset));

	t->group = str_dup(&s->arena, module);
	t->name = str_dup(&s->arena, function);
	if (offset.len)
		str_to_u64(offset, &t->number);
	return t;
}

static void explain_missing(const struct attach_point *ap, struct absence *absence)
{
	absence->of_function = true;
	absence->why = ap->part[0].len
			       ? "no such function in this module (or it is inlined everywhere)"
			       : "no such function (or it is inlined everywhere)";
}

static void add_symbol(struct script *s, struct attach_point *ap, const struct ksym *sym, bool several)
{
	struct target *t = add_function(s, ap, sym->name, sym->module);

	t->address = sym->address;
	t->by_address = several && sym->address;
}

/* Says what a name stands for if that is not just the function. */
static void tell_copies(struct script *s, const struct attach_point *ap)
{
	char *names = arena_printf(&s->work, "%u functions of that name", ap->targets.n);
	bool alike = ap->targets.n > 1;

	for (uint32_t i = 0; i < ap->targets.n; i++)
		alike &= str_is(ap->part[1], ap->targets.v[i].name);
	for (uint32_t i = 0; i < ap->targets.n && !alike; i++)
		names = i ? arena_printf(&s->work, "%s, %s", names, ap->targets.v[i].name)
			  : arena_printf(&s->work, "%s", ap->targets.v[i].name);
	if (ap->targets.n > 1 || !str_is(ap->part[1], ap->targets.v[0].name))
		diag_warn(&s->diag, ap->at, "copies", "in this kernel '%.*s' means %s",
			  STR_ARG(ap->part[1]), names);
}

struct end {
	uint64_t begin, end; /* end: the next symbol's address; 0: none yet */
};

static bool look_for_end(void *ctx, const struct ksym *sym)
{
	struct end *e = ctx;

	if (sym->address > e->begin && (!e->end || sym->address < e->end))
		e->end = sym->address;
	return true;
}

/* Without a symbol's size the next symbol is its end. Addresses may be hidden: then the kernel checks. */
static bool offset_fits(struct script *s, const struct target *t, const char **why)
{
	struct end e = { .begin = t->address };

	if (!t->number || !t->address || !ksyms_each(script_ksyms(s), look_for_end, &e) || !e.end ||
	    t->number < e.end - e.begin)
		return true;
	*why = arena_printf(&s->arena, "%s has %llu bytes: the offset is outside", t->name,
			    (unsigned long long)(e.end - e.begin));
	return false;
}

/* Of a name that stands for several things only their addresses tell them apart. An offset is one into
 * the function itself. */
static void expand_one(struct script *s, struct attach_point *ap, struct absence *absence)
{
	struct str module = ap->part[0], function = ap->part[1];
	bool addresses = !s->check_only || ap->part[2].len;
	const struct copies *found = NULL;

	/* Looking is enough for --check, and BTF is faster to ask. */
	if (addresses || module.len || !ctype_is_function(s, function))
		found = copies_find(s, module, function, addresses);
	if (!found) {
		add_function(s, ap, function, str_is(module, "vmlinux") ? STR("") : module);
		return;
	}
	for (uint32_t i = 0; i < found->functions.n; i++)
		if (!ap->part[2].len || str_eq(found->functions.v[i].name, function))
			add_symbol(s, ap, &found->functions.v[i], found->functions.n > 1);
	for (uint32_t i = 0; i < found->fragments.n && !found->functions.n; i++)
		add_symbol(s, ap, &found->fragments.v[i], found->fragments.n > 1);
	if (ap->targets.n == 1 && !offset_fits(s, &ap->targets.v[0], &absence->why))
		ap->targets.n = 0;
	else if (ap->targets.n)
		tell_copies(s, ap);
	else
		explain_missing(ap, absence);
}

static void add_address(struct script *s, struct attach_point *ap)
{
	struct target *t = add_function(s, ap, ap->part[1], STR(""));
	const char *error;

	number_parse(ap->part[1], &t->address, &error);
	t->by_address = true;
}

struct expansion {
	struct script *s;
	struct attach_point *ap;
	bool left_out; /* something that matches would be dangerous */
};

/* A name that several modules have is one target if no module was asked for: the first. */
static void add_match(void *ctx, const char *function, const char *module)
{
	struct expansion *x = ctx;
	struct attach_point *ap = x->ap;
	const struct target *last = ap->targets.n ? &ap->targets.v[ap->targets.n - 1] : NULL;

	if (!attach_in_module(ap->part[0], str_of(module)) ||
	    (last && !ap->part[0].len && !strcmp(last->name, function)))
		return;
	if (attach_is_dangerous(ap->kind, function)) {
		x->left_out = true;
		return;
	}
	add_function(x->s, ap, str_of(function), str_of(module));
}

/* From BTF, for --check: it knows no modules. */
static bool add_known(void *ctx, uint32_t id, struct str name)
{
	struct expansion *x = ctx;

	(void)id;
	if (glob_match(x->ap->part[1], name) && !attach_is_dangerous(x->ap->kind, str_dup(&x->s->work, name)))
		add_function(x->s, x->ap, name, STR(""));
	return true;
}

static int by_name(const void *name, const void *target)
{
	const struct target *t = target;

	return str_cmp(*(const struct str *)name, str_of(t->name));
}

/* Targets come sorted by name. The first symbol of a name in the file is the one probed. */
static bool fill_address(void *ctx, const struct ksym *sym)
{
	struct attach_point *ap = ctx;
	struct target *t = bsearch(&sym->name, ap->targets.v, ap->targets.n, sizeof *t, by_name);

	if (t && !t->address && ksym_is_function(sym) && str_is(sym->module, t->group))
		t->address = sym->address;
	return true;
}

static void add_matching(struct script *s, struct attach_point *ap, const struct ksym *syms, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (glob_match(ap->part[1], syms[i].name))
			add_function(s, ap, syms[i].name, STR(""));
}

/* "f.constprop.*": the copies of f. False: it is no such pattern. */
static bool expand_copies(struct script *s, struct attach_point *ap)
{
	struct str function;
	const struct copies *found;

	if (ap->part[0].len || !copies_pattern(ap->part[1], &function))
		return false;
	found = copies_find(s, STR(""), function, false);
	if (!found)
		return false;
	add_matching(s, ap, found->functions.v, found->functions.n);
	add_matching(s, ap, found->fragments.v, found->fragments.n);
	return true;
}

static void expand_kprobe(struct script *s, struct attach_point *ap, struct absence *absence)
{
	struct expansion x = { .s = s, .ap = ap };

	if (is_address(ap->part[1])) {
		add_address(s, ap);
		return;
	}
	if (!glob_has(ap->part[0]) && !glob_has(ap->part[1])) {
		expand_one(s, ap, absence);
		return;
	}
	if (s->check_only && expand_copies(s, ap))
		return;
	if (s->check_only && !ap->part[0].len && ctype_each_function(s, add_known, &x) && ap->targets.n)
		return;
	if (!tracefs_functions(&s->work, script_ksyms(s), ap->part[1], add_match, &x))
		absence->why = "neither tracefs' available_filter_functions nor /proc/kallsyms can be read";
	if (!ap->targets.n && x.left_out)
		absence->why = attach_too_dangerous;
	/* By address they can be probed all at once, whatever other symbols have their names. */
	if (ap->targets.n > 1 || (ap->targets.n && ap->kind->provides & HAS_RETVAL))
		ksyms_each(script_ksyms(s), fill_address, ap);
}

/* ---- compiling: arguments --------------------------------------------------------------- */

/* Where the ABI of x86-64 has the next argument, as the number of its first word: registers, then the
 * stack. A struct of two words takes two registers, or none if there are not as many; a larger one none. */
static uint32_t place_argument(const struct type *t, uint32_t used[2])
{
	uint32_t words = (t->size + 7) / 8, registers = arch_host()->nargs;
	bool in_registers = words <= 2 && used[0] + words <= registers;
	uint32_t word = in_registers ? used[0] : registers + used[1];

	used[!in_registers] += words;
	return word;
}

static bool is_placed(const struct type *t)
{
	bool whole = type_is_scalar(t) && type_slot(t) == 8;

	return whole || (t->kind == T_STRUCT && t->size && !strcmp(arch_host()->name, "x86_64"));
}

/* The compiler's copies of a function have other arguments than BTF says. */
static const struct type *args_kprobe(struct script *s, struct target *t)
{
	const struct type *all, *retval;
	struct field *fields;
	uint32_t n = 0, used[2] = { 0, 0 };

	if (t->args || strchr(t->name, '.'))
		return t->args;
	all = ctype_function(s, str_of(t->name), &retval);
	if (!all)
		return NULL;
	fields = arena_alloc(&s->arena, (all->nfields + 1) * sizeof *fields);
	for (; n < all->nfields && is_placed(all->fields[n].type); n++) {
		fields[n] = all->fields[n];
		fields[n].offset = place_argument(all->fields[n].type, used) * 8;
	}
	t->args = type_struct(&s->types, all->name, fields, n, (arch_host()->nargs + used[1]) * 8);
	return t->args;
}

/* The function's address, as kretprobe has it; of a probe within it, the probe's. */
static ref function_address(struct build *b, const struct target *t)
{
	const struct arch *arch = arch_host();
	ref ip;

	if (!t->number && !is_address(str_of(t->name)) && build_func_ip(b, &ip))
		return ip;
	ip = build_ctx_load(b, arch->ip, 8, false);
	return arch->breakpoint ? build_add(b, ip, build_const(b, -(int64_t)arch->breakpoint)) : ip;
}

static ref arg_kprobe(struct build *b, const struct target *t, int n)
{
	return n >= 0 ? build_argument(b, (uint32_t)n, false) : function_address(b, t);
}

static ref arg_kretprobe(struct build *b, const struct target *t, int n)
{
	return n == -1 ? build_ctx_load(b, arch_host()->retval, 8, false)
		       : build_const(b, (int64_t)t->address);
}

/* ---- attaching -------------------------------------------------------------------------- */

/* "0xffffffff81c01010-0xffffffff81c01040	asm_exc_page_fault" */
static bool is_blacklisted(struct arena *a, const char *function)
{
	struct lines *lines = arena_alloc(a, sizeof *lines);
	struct str line;
	bool found = false;

	lines_open(lines, a, "/sys/kernel/debug/kprobes/blacklist");
	while (!found && lines_next(lines, &line)) {
		const char *tab = memchr(line.s, '\t', line.len);

		found = tab && str_is((struct str){ tab + 1, (uint32_t)(line.s + line.len - tab - 1) },
				      function);
	}
	lines_close(lines);
	return found;
}

/* Kernels take no kprobe in what they don't trace (CONFIG_KPROBE_EVENTS_ON_NOTRACE is rare). */
static const char *why_invalid(struct arena *a, const char *function)
{
	bool traced;

	if (is_address(str_of(function)))
		return "what is at this address cannot be probed";
	if (is_blacklisted(a, function))
		return "this function cannot be probed: it is on the kernel's blacklist of kprobes";
	if (!tracefs_is_traced(a, str_of(function), &traced))
		return "this function cannot be probed: notrace, or the kernel needs it for probing";
	return traced ? "this function cannot be probed: the kernel needs it for probing"
		      : "this function cannot be probed: it is notrace (not in available_filter_functions)";
}

/* What perf makes of a kprobe that can't be: kernel/trace/trace_kprobe.c. */
static const char *refusal(struct arena *a, const struct target *t, int error)
{
	switch (error) {
	case ENOENT:
		return "no such function";
	case EINVAL:
		return why_invalid(a, t->name);
	case EADDRNOTAVAIL:
		return "several functions have this name, and the kernel can't tell which is meant";
	case EILSEQ:
		return t->by_address ? "no instruction begins at this address"
				     : arena_printf(a, "no instruction begins at offset %llu",
						    (unsigned long long)t->number);
	default:
		return NULL;
	}
}

static int attach_kprobe(int prog_fd, const struct prog *prog, const struct target *t,
			 struct links *links)
{
	struct perf_event_attr attr = { 0 };
	const char *name = t->name;
	bool refused;
	int error;

	if (!attach_pmu(links->arena, "kprobe", prog->kind->provides & HAS_RETVAL, &attr)) {
		links->why = "this kernel has no kprobes (CONFIG_KPROBES, CONFIG_KPROBE_EVENTS)";
		return -ENODEV;
	}
	if (*t->group)
		name = arena_printf(links->arena, "%s:%s", t->group, t->name);
	if (t->by_address && !t->number) {
		attr.kprobe_addr = t->address;
	} else {
		attr.kprobe_func = (uintptr_t)name;
		attr.probe_offset = t->number;
	}
	error = attach_perf(&attr, -1, 0, prog_fd, prog, t, links, &refused);
	if (error && refused && !links->why)
		links->why = refusal(links->arena, t, -error);
	return error;
}

/* ---- listing ---------------------------------------------------------------------------- */

struct listed {
	const char *module, *name; /* name: with the module, where it is one or was asked for */
};

struct listing {
	struct arena *arena;
	struct str pattern;
	VEC(struct listed) list;
};

static void list_one(void *ctx, const char *function, const char *module)
{
	struct listing *l = ctx;
	const char *full = arena_printf(l->arena, "%s:%s", *module ? module : "vmlinux", function);
	bool by_name = attach_listed(l->pattern, function);

	if (by_name || attach_listed(l->pattern, full))
		*vec_push(l->arena, &l->list) =
			(struct listed){ module, *module || !by_name ? full : function };
}

static int by_text(const void *x, const void *y)
{
	const struct listed *a = x, *b = y;

	return strcmp(a->name, b->name);
}

/* "ext4:ext4_readdir" -> "ext4_readdir" */
static struct str plain_name(const char *name)
{
	const char *colon = strchr(name, ':');

	return str_of(colon ? colon + 1 : name);
}

static uint32_t list_functions(const struct probe_kind *kind, struct arena *a, struct str pattern,
			       bool verbose, FILE *out)
{
	struct listing l = { .arena = a, .pattern = pattern };
	struct btf_index *btf = verbose ? btf_index_open(a) : NULL;

	tracefs_functions(a, NULL, STR("*"), list_one, &l);
	if (l.list.n)
		qsort(l.list.v, l.list.n, sizeof *l.list.v, by_text);
	for (uint32_t i = 0; i < l.list.n; i++) {
		fprintf(out, "%s:%s\n", kind->name, l.list.v[i].name);
		if (verbose && !(kind->provides & HAS_RETVAL))
			btf_index_arguments(btf_index_module(btf, l.list.v[i].module),
					    plain_name(l.list.v[i].name), 0, false, out);
	}
	return l.list.n;
}

const struct probe_kind probe_kprobe = {
	.name = "kprobe",
	.alias = "k",
	.form = "kprobe:FUNCTION, kprobe:MODULE:FUNCTION, kprobe:FUNCTION+OFFSET or "
		"kprobe:0xADDRESS",
	.type = BPF_PROG_TYPE_KPROBE,
	.cookies = true,
	.provides = HAS_ARGN | HAS_FUNC | HAS_ARGS,
	.parse = parse_kprobe,
	.expand = expand_kprobe,
	.args = args_kprobe,
	.arg = arg_kprobe,
	.arg_count = attach_arg_count,
	.prepare = multi_prepare,
	.attach_all = multi_attach,
	.attach = attach_kprobe,
	.list = list_functions,
};

const struct probe_kind probe_kretprobe = {
	.name = "kretprobe",
	.alias = "kr",
	.form = "kretprobe:FUNCTION or kretprobe:MODULE:FUNCTION",
	.type = BPF_PROG_TYPE_KPROBE,
	.cookies = true,
	.provides = HAS_RETVAL | HAS_FUNC,
	.differs = HAS_FUNC,
	.parse = parse_kprobe,
	.expand = expand_kprobe,
	.arg = arg_kretprobe,
	.prepare = multi_prepare,
	.attach_all = multi_attach,
	.attach = attach_kprobe,
	.list = list_functions,
};
