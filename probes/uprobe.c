// SPDX-License-Identifier: Apache-2.0
/*
 * uprobe and uretprobe: functions of programs and libraries.
 *
 *	uprobe:/usr/bin/bash:readline  uprobe:bash:readline  uretprobe:libc:malloc
 *	uprobe:./server:handle_*  uprobe:./server:handle+4  uprobe:./server:0x1189
 *
 * The kernel knows files and offsets in them; names are looked up here, in the file's symbols. The
 * file is what -p's process sees under that name, if it is given. parse() leaves four parts: file,
 * function, offset (empty: none) and "cpp" if the function is given as C++ has it; of a line of source
 * code the file, the line, the column (empty: any) and "@source.c".
 *
 * A target has the path to open as its group, the function as its name, the offset in the file as
 * its number.
 */
#include <errno.h>
#include <glob.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/build.h"
#include "codegen/image.h"
#include "lexer/lexer.h"
#include "probes/dwarf.h"
#include "sema/script.h"
#include "target/target.h"

/* ---- compiling: the attach point -------------------------------------------------------- */

static bool at_return(const struct attach_point *ap)
{
	return ap->kind->provides & HAS_RETVAL;
}

static bool bad_offset(struct script *s, const struct attach_point *ap, struct str part,
		       const char *text)
{
	diag_error(&s->diag, attach_span(ap, part), "uprobe-offset", "%s", text);
	return false;
}

static bool is_address(struct str function)
{
	return function.len && function.s[0] >= '0' && function.s[0] <= '9';
}

/* Takes "+8" off the function's name. (operator+ is a name: an offset is a number.) */
static bool parse_offset(struct script *s, struct attach_point *ap)
{
	struct str *function = &ap->part[1], *offset = &ap->part[2];
	const char *plus = memrchr(function->s, '+', function->len);
	const char *error;
	uint64_t number;

	if (is_address(*function))
		return number_parse(*function, &number, &error) ||
		       bad_offset(s, ap, *function, "this is not the address of an instruction");
	if (!plus || plus == function->s || ap->part[3].len)
		return true;
	*offset = (struct str){ plus + 1, (uint32_t)(function->s + function->len - plus - 1) };
	function->len = (uint32_t)(plus - function->s);
	if (!number_parse(*offset, &number, &error))
		return bad_offset(s, ap, *offset, "the offset into a function is a number of bytes");
	if (at_return(ap))
		return bad_offset(s, ap, *offset, "a return has no offset: uretprobe takes none");
	if (glob_has(*function))
		return bad_offset(s, ap, *offset,
				  "an offset belongs to one function, not to a wildcard");
	return true;
}

/* The file of -p's process; empty: there is no such process. */
static struct str user_program(struct script *s)
{
	char path[4096];
	ssize_t n = readlink(arena_printf(&s->work, "/proc/%d/exe", s->pid), path, sizeof path);

	return n > 0 ? str_of(str_dup(&s->arena, (struct str){ path, (uint32_t)n })) : STR("");
}

/* FILE@source.c:123 or FILE@source.c:123:9 */
static bool is_line(const struct attach_point *ap)
{
	uint64_t number;

	return (ap->nparts == 2 || ap->nparts == 3) && memchr(ap->part[0].s, '@', ap->part[0].len) &&
	       str_to_u64(ap->part[1], &number) && (ap->nparts == 2 || str_to_u64(ap->part[2], &number));
}

static bool parse_line(struct script *s, struct attach_point *ap)
{
	struct str *file = &ap->part[0];
	const char *at = memrchr(file->s, '@', file->len);
	uint32_t e;

	if (ap->nparts == 2)
		ap->part[2] = (struct str){ "", 0 };
	ap->nparts = 4;
	ap->part[3] = (struct str){ at, (uint32_t)(file->s + file->len - at) };
	file->len = (uint32_t)(at - file->s);
	if (!file->len || ap->part[3].len == 1)
		return attach_malformed(s, ap);
	if (!at_return(ap))
		return true;
	e = diag_error(&s->diag, ap->at, "uprobe-line", "a line of source code does not return");
	diag_hint(&s->diag, e, "uretprobe takes a function");
	return false;
}

static bool parse_uprobe(struct script *s, struct attach_point *ap)
{
	uint32_t n = ap->nparts;

	if (is_line(ap))
		return parse_line(s, ap);
	if (n == 1 && s->pid > 0) {
		ap->part[1] = ap->part[0];
		ap->part[0] = user_program(s);
	} else if (n == 3 && str_is(ap->part[1], "cpp")) {
		ap->part[3] = ap->part[1];
		ap->part[1] = ap->part[2];
	} else if (n != 2) {
		return attach_malformed(s, ap);
	}
	ap->part[2] = (struct str){ "", 0 };
	ap->nparts = 4;
	ap->part[0] = attach_unquote(ap->part[0]);
	ap->part[1] = attach_unquote(ap->part[1]);
	if (!ap->part[0].len || !ap->part[1].len)
		return attach_malformed(s, ap);
	return parse_offset(s, ap);
}

/* ---- compiling: files ------------------------------------------------------------------- */

struct files {
	struct script *s;
	struct attach_point *ap;
	user_visit *visit;
	const char *why;
	bool several;
};

/* The process may see another file under this name: in a container, say. */
static const char *seen_by(struct script *s, const char *path)
{
	const char *theirs = arena_printf(&s->arena, "/proc/%d/root%s", s->pid, path);
	struct stat ours, there;

	if (s->pid <= 0 || *path != '/' || stat(theirs, &there) < 0)
		return path;
	return !stat(path, &ours) && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino
		       ? path : theirs;
}

static void visit_file(void *ctx, const char *path)
{
	struct files *f = ctx;
	struct user_file file = { .shown = path, .path = seen_by(f->s, path) };
	const char *why;
	struct elf *elf = elf_open(&f->s->work, file.path, &why);

	if (!elf) {
		if (!f->several)
			f->why = arena_printf(&f->s->arena, "%s: %s", path, why);
		return;
	}
	file.elf = elf;
	file.several = f->several;
	f->visit(f->s, f->ap, &file, &f->why);
	elf_close(elf);
}

static void visit_glob(struct files *f, const char *pattern)
{
	glob_t found;

	f->several = true;
	if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			visit_file(f, str_dup(&f->s->arena, str_of(found.gl_pathv[i])));
	globfree(&found);
}

void user_files(struct script *s, struct attach_point *ap, user_visit *visit, const char **why)
{
	struct files f = { .s = s, .ap = ap, .visit = visit };
	struct str name = ap->part[0];
	const char *path;

	if (str_is(name, "*")) {
		f.several = true;
		binaries_mapped(&s->arena, s->pid, visit_file, &f);
	} else if (glob_has(name)) {
		visit_glob(&f, str_dup(&s->arena, name));
	} else if ((path = binary_find(&s->arena, name))) {
		visit_file(&f, path);
	} else {
		f.why = arena_printf(&s->arena, "no program on PATH and no library is called '%.*s'",
				     STR_ARG(name));
	}
	if (f.why)
		*why = f.why;
}

/* ---- compiling: functions --------------------------------------------------------------- */

struct search {
	struct script *s;
	struct attach_point *ap;
	const struct user_file *file;
	VEC(struct elf_function) found;
};

static bool match_function(void *ctx, const struct elf_function *f)
{
	struct search *x = ctx;
	struct str wanted = x->ap->part[1];
	struct elf_function *found;

	if (x->ap->part[3].len ? !cpp_matches(&x->s->work, wanted, f->name)
			       : !glob_match(wanted, f->name))
		return true;
	found = vec_push(&x->s->work, &x->found);
	*found = *f;
	found->name = str_of(str_dup(&x->s->arena, f->name));
	return true;
}

static int by_name(const void *x, const void *y)
{
	const struct elf_function *f = x, *g = y;
	int order = str_cmp(f->name, g->name);

	return order ? order : f->offset < g->offset ? -1 : f->offset > g->offset;
}

/* Sorted; a symbol may stand in both tables. */
static void sort_functions(struct search *x)
{
	uint32_t n = 0;

	if (x->found.n)
		qsort(x->found.v, x->found.n, sizeof *x->found.v, by_name);
	for (uint32_t i = 0; i < x->found.n; i++)
		if (!n || by_name(&x->found.v[n - 1], &x->found.v[i]) != 0)
			x->found.v[n++] = x->found.v[i];
	x->found.n = n;
}

/* A constructor or destructor may have several symbols for one place: under its C++ name it is one. */
static void merge_names(struct search *x)
{
	uint32_t n = 0, k;

	for (uint32_t i = 0; i < x->found.n; i++) {
		for (k = 0; k < n && x->found.v[k].offset != x->found.v[i].offset; k++)
			continue;
		if (k == n)
			x->found.v[n++] = x->found.v[i];
	}
	x->found.n = n;
}

static void add_function(struct search *x, const struct elf_function *f, uint64_t offset)
{
	struct str text = x->ap->part[2];
	struct target *t = attach_target(x->s, x->ap, "%s:%.*s%s%.*s", x->file->shown,
					 STR_ARG(f->name), text.len ? "+" : "", STR_ARG(text));

	t->group = x->file->path;
	t->name = f->name.s;
	t->number = f->offset + offset;
	t->address = offset ? 0 : f->address;
}

static bool offer_function(void *near, const struct elf_function *f)
{
	str_near(near, f->name);
	return true;
}

static void explain_missing(struct search *x, const char **why)
{
	struct near near = { .wanted = x->ap->part[1] };
	bool cpp = memmem(x->ap->part[1].s, x->ap->part[1].len, "::", 2) && !x->ap->part[3].len;

	elf_functions(x->file->elf, offer_function, &near);
	*why = arena_printf(&x->s->arena, "%s has no such function%s%s%s%.*s%s", x->file->shown,
			    elf_is_stripped(x->file->elf)
				    ? " (it is stripped: only functions that others call have names)" : "",
			    cpp ? "; C++ names stand behind cpp: as in uprobe:FILE:cpp:\"ns::f\"" : "",
			    near.best.len ? "; did you mean '" : "", STR_ARG(near.best),
			    near.best.len ? "'?" : "");
}

/* An offset must be the beginning of an instruction of the function. */
static bool check_offset(struct search *x, const struct elf_function *f, uint64_t offset,
			 const char **why)
{
	if (!offset)
		return true;
	if (offset >= f->size) {
		*why = arena_printf(&x->s->arena, "%.*s has %llu bytes: the offset is outside",
				    STR_ARG(f->name), (unsigned long long)f->size);
		return false;
	}
	if (instruction_starts(x->file->elf, f->offset, offset))
		return true;
	*why = "the offset is in the middle of an instruction: a probe there would break the program";
	return false;
}

static void warn_several(struct search *x)
{
	if (x->found.n && x->found.v[0].indirect && !glob_has(x->ap->part[1]))
		diag_warn(&x->s->diag, x->ap->at, "indirect",
			  "'%.*s' is chosen among several when the program starts: the probe sees that, "
			  "and not the calls", STR_ARG(x->found.v[0].name));
	if (x->found.n > 1 && !glob_has(x->ap->part[1]) && !x->file->several && !x->ap->part[3].len)
		diag_warn(&x->s->diag, x->ap->at, "several", "%s has %u functions of this name: all are probed",
			  x->file->shown, x->found.n);
}

static void find_functions(struct search *x, const char **why)
{
	uint64_t offset = 0;
	const char *error;

	elf_functions(x->file->elf, match_function, x);
	sort_functions(x);
	if (x->ap->part[3].len && !glob_has(x->ap->part[1]))
		merge_names(x);
	if (x->ap->part[2].len)
		number_parse(x->ap->part[2], &offset, &error);
	if (!x->found.n && !x->file->several)
		explain_missing(x, why);
	warn_several(x);
	for (uint32_t i = 0; i < x->found.n; i++)
		if (check_offset(x, &x->found.v[i], offset, why))
			add_function(x, &x->found.v[i], offset);
}

/* bpftrace shows such addresses in decimal. */
static void add_address(struct search *x, uint64_t address, const char *name, const char **why)
{
	uint64_t offset = elf_offset(x->file->elf, address);
	struct target *t;

	if (offset == ELF_NOWHERE) {
		*why = arena_printf(&x->s->arena, "%s has nothing at this address", x->file->shown);
		return;
	}
	t = attach_target(x->s, x->ap, "%s:%llu", x->file->shown, (unsigned long long)address);
	t->group = x->file->path;
	t->name = name;
	t->number = offset;
}

static void find_address(struct search *x, const char **why)
{
	const char *error;
	uint64_t address;

	number_parse(x->ap->part[1], &address, &error);
	add_address(x, address, str_dup(&x->s->arena, x->ap->part[1]), why);
}

static void find_line(struct search *x, const char **why)
{
	struct str source = { x->ap->part[3].s + 1, x->ap->part[3].len - 1 };
	struct dwarf_places places = { 0 };
	uint64_t line = 0, column = 0;

	str_to_u64(x->ap->part[1], &line);
	str_to_u64(x->ap->part[2], &column);
	dwarf_line(x->s, x->file->path, source, line, column, &places, why);
	for (uint32_t i = 0; i < places.list.n; i++)
		add_address(x, places.list.v[i].address, places.list.v[i].function, why);
	if (places.list.n > 1)
		diag_warn(&x->s->diag, x->ap->at, "copies", "%s has %u copies of this line: all are probed",
			  x->file->shown, places.list.n);
}

static void find_in_file(struct script *s, struct attach_point *ap, const struct user_file *file,
			 const char **why)
{
	struct search x = { .s = s, .ap = ap, .file = file };

	if (at_return(ap) && elf_is_go(file->elf))
		*why = arena_printf(&s->arena, "%s is a Go program: it moves its stacks, and would crash "
				    "at a probed return", file->shown);
	else if (ap->part[3].len && ap->part[3].s[0] == '@')
		find_line(&x, why);
	else if (is_address(ap->part[1]))
		find_address(&x, why);
	else
		find_functions(&x, why);
}

static void expand_uprobe(struct script *s, struct attach_point *ap, struct absence *absence)
{
	user_files(s, ap, find_in_file, &absence->why);
}

/* ---- compiling: arguments --------------------------------------------------------------- */

/* The compiler's copies of a function have other arguments than the debug information says. */
static const struct type *args_uprobe(struct script *s, struct target *t)
{
	if (t->args || t->unknown)
		return t->args;
	if (!t->address)
		t->unknown = "arguments have their places where a function begins, not within it";
	else if (strchr(t->name, '.'))
		t->unknown = "the compiler made this copy of the function, perhaps with other arguments";
	else
		t->args = dwarf_arguments(s, t);
	return t->args;
}

static ref arg_uprobe(struct build *b, const struct target *t, int n)
{
	const struct arch *arch = arch_host();

	(void)t;
	if (n == -1)
		return build_ctx_load(b, arch->retval, 8, false);
	return build_argument(b, (uint32_t)n, true);
}

/* ---- attaching -------------------------------------------------------------------------- */

static const char *refusal(struct arena *a, const struct target *t, int error)
{
	switch (error) {
	case ENOENT:
		return arena_printf(a, "%s is gone", t->group);
	case EINVAL:
	case 524: /* ENOTSUPP, which user space has no name for */
		return "the kernel can't probe the instruction there";
	case ESRCH:
		return "the process of -p has ended";
	default:
		return arena_printf(a, "the kernel does not take the probe: %s", strerror(error));
	}
}

int user_attach(int prog_fd, const struct prog *prog, const struct target *t, bool returns,
		struct links *links)
{
	struct perf_event_attr attr = { 0 };
	pid_t pid = links->pid > 0 ? links->pid : -1;
	bool refused;
	int error;

	if (!attach_pmu(links->arena, "uprobe", returns, &attr)) {
		links->why = "this kernel has no uprobes (CONFIG_UPROBE_EVENTS)";
		return -ENODEV;
	}
	attr.uprobe_path = (uintptr_t)t->group;
	attr.probe_offset = t->number;
	attr.config |= t->semaphore << 32;
	error = attach_perf(&attr, pid, pid > 0 ? -1 : 0, prog_fd, prog, t, links, &refused);
	if (error && refused && !links->why)
		links->why = refusal(links->arena, t, -error);
	return error;
}

static int attach_uprobe(int prog_fd, const struct prog *prog, const struct target *t,
			 struct links *links)
{
	return user_attach(prog_fd, prog, t, prog->kind->provides & HAS_RETVAL, links);
}

/* ---- listing ---------------------------------------------------------------------------- */

static void list_arguments(struct script *s, struct target *t, FILE *out)
{
	const struct type *args = args_uprobe(s, t);

	for (uint32_t i = 0; args && i < args->nfields; i++)
		fprintf(out, "    %s %.*s\n", type_text(&s->work, args->fields[i].type),
			STR_ARG(args->fields[i].name));
}

const struct probe_kind probe_uprobe = {
	.name = "uprobe",
	.alias = "u",
	.form = "uprobe:FILE:FUNCTION, uprobe:FILE:FUNCTION+OFFSET, uprobe:FILE:ADDRESS, "
		"uprobe:FILE@SOURCE:LINE or uprobe:FILE:cpp:\"C++ FUNCTION\"",
	.type = BPF_PROG_TYPE_KPROBE,
	.cookies = true,
	.provides = HAS_ARGN | HAS_ARGS | HAS_FUNC | IS_USER,
	.differs = HAS_FUNC,
	.parse = parse_uprobe,
	.expand = expand_uprobe,
	.args = args_uprobe,
	.arg = arg_uprobe,
	.arg_count = attach_arg_count,
	.prepare = multi_prepare,
	.attach_all = multi_attach,
	.attach = attach_uprobe,
	.list_args = list_arguments,
};

const struct probe_kind probe_uretprobe = {
	.name = "uretprobe",
	.alias = "ur",
	.form = "uretprobe:FILE:FUNCTION or uretprobe:FILE:cpp:\"C++ FUNCTION\"",
	.type = BPF_PROG_TYPE_KPROBE,
	.cookies = true,
	.provides = HAS_RETVAL | HAS_FUNC | IS_USER,
	.differs = HAS_FUNC,
	.parse = parse_uprobe,
	.expand = expand_uprobe,
	.arg = arg_uprobe,
	.prepare = multi_prepare,
	.attach_all = multi_attach,
	.attach = attach_uprobe,
};
