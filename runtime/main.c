// SPDX-License-Identifier: Apache-2.0
/*
 * xbt: a compiler and runtime for bpftrace scripts. This file is the spine: everything that happens
 * to a script, in order, is in compile() and run() below. It stands in runtime/ because that is the
 * top layer: core < target < lexer, parser < sema < codegen < probes < runtime.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/generate.h"
#include "runtime/print.h"
#include "runtime/runtime.h"
#include "runtime/sideband.h"
#include "target/target.h"

enum { SCRIPT_MAX = 64 << 20 };

/* ---- compile ---------------------------------------------------------------------------- */

static bool dump_wanted(const struct dumps *d, const char *stage)
{
	size_t n = strlen(stage);

	if (!d->stages || !strcmp(d->stages, "all"))
		return d->stages != NULL;
	for (const char *p = d->stages; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (!strncmp(p, stage, n) && (!p[n] || p[n] == ','))
			return true;
	}
	return false;
}

static bool is_stage(struct str name)
{
	if (str_is(name, "all") || str_is(name, "events"))
		return true;
	for (size_t i = 0; i < front_stage_count; i++)
		if (str_is(name, front_stages[i].name))
			return true;
	for (size_t i = 0; back_stages[i]; i++)
		if (str_is(name, back_stages[i]))
			return true;
	return false;
}

/* Every word of -d must be a stage; the list of them is the error. */
static bool stages_known(const char *stages)
{
	for (const char *p = stages; p && *p;) {
		struct str name = { p, (uint32_t)strcspn(p, ",") };

		if (!is_stage(name)) {
			fprintf(stderr, "xbt: error: -d: no stage '%.*s'; there are", STR_ARG(name));
			for (size_t i = 0; i < front_stage_count; i++)
				fprintf(stderr, " %s", front_stages[i].name);
			for (size_t i = 0; back_stages[i]; i++)
				fprintf(stderr, " %s", back_stages[i]);
			fputs(" events all\n", stderr);
			return false;
		}
		p += name.len + (p[name.len] == ',');
	}
	return true;
}

/* Types are shown where they say something. */
static const char *shown_type(struct arena *a, const struct type *t)
{
	return t->kind == T_VOID ? NULL : type_text(a, t);
}

static void dump_script(struct script *s, const char *stage, void *ctx)
{
	const struct dumps *d = ctx;

	if (!strcmp(stage, "plan") && d->wanted(d, stage))
		plan_dump(s, d->out);
	else if (d->wanted(d, stage))
		ast_dump(s->program, &s->work, shown_type, d->out);
}

static struct image *compile(struct script *s, struct dumps *d)
{
	struct image *image;

	if (!front(s, "plan", dump_script, d, stderr) || s->check_only)
		return NULL;
	image = generate(s, d);
	diag_print(&s->diag, stderr);
	if (image && d->wanted(d, "emit"))
		image_dump(image, d->out);
	if (image && d->wanted(d, "events"))
		events_dump(image, d->out);
	return image;
}

/* ---- run -------------------------------------------------------------------------------- */

static void say_attached(const struct loaded *l, const struct options *o)
{
	struct session *s = l->session;

	if (!o->quiet && s->format->attached)
		s->format->attached(s, l->attached);
	else if (!o->quiet)
		fprintf(stderr, "Attached %u probe%s\n", l->attached, l->attached == 1 ? "" : "s");
	/* Lets a test start its workload when everything is in place; bpftrace's own word for it. */
	if (getenv("__BPFTRACE_NOTIFY_PROBES_ATTACHED")) {
		puts("__BPFTRACE_NOTIFY_PROBES_ATTACHED");
		fflush(stdout);
	}
}

static void report(struct loaded *l, const struct child *child)
{
	struct session *s = l->session;

	count_missed(l);
	detach(l); /* first: a script may trace the very calls that print its events */
	loop_drain(s);
	s->deaf = false;
	run_special(l, "end");
	loop_drain(s);
	print_all_maps(s);
	if (s->format->finish)
		s->format->finish(s);
	fflush(s->out);
	ledger_report(s, stderr);
	report_missed(l, stderr);
	child_report(child, stderr);
}

/* So that the addresses of processes can be named though they may have gone by then. */
static void watch_processes(struct session *s, pid_t pid)
{
	if (!s->image->names_processes)
		return;
	if (pid < 0)
		s->sideband = sideband_open(s->usyms, s->ncpus);
	else
		usyms_find(s->usyms, pid, 0, &(struct usym){ 0 });
	if (s->sideband)
		usyms_refresh(s->usyms, sideband_read, s->sideband);
}

/* The whole life of a loaded script. False: an error was printed. */
static bool trace(struct loaded *l, struct child *child, const struct options *o)
{
	struct session *s = l->session;

	l->child_pid = child->pid;
	if (!load(l) || !loop_open(s) || (!o->dry_run && !run_special(l, "begin")))
		return false;
	if (!s->format->attached) /* which says so first */
		loop_drain(s);
	watch_processes(s, o->pid);
	if (!s->done && !attach(l))
		return false;
	if (o->dry_run)
		return true;
	if (!s->done)
		say_attached(l, o);
	child_release(child);
	if (!s->done && !run_iterators(l))
		return false;
	if (!s->done && (l->awaited || child->pid) && !loop(l, child, o->pid))
		return false;
	report(l, child);
	return true;
}

static bool process_exists(pid_t pid)
{
	if (pid < 0 || !kill(pid, 0) || errno != ESRCH)
		return true;
	fprintf(stderr, "xbt: error: -p: there is no process %d\n", pid);
	return false;
}

static int *closed_fds(struct arena *a, uint32_t n)
{
	int *fds = arena_alloc(a, (n + 1) * sizeof *fds);

	memset(fds, -1, (n + 1) * sizeof *fds);
	return fds;
}

static int run(struct image *image, const struct options *o, FILE *out)
{
	struct session session;
	struct child child = { .go = -1 };
	struct loaded l = { .session = &session, .verbose = o->verbose,
			    .quiet = o->quiet };
	bool fine;

	session_init(&session, image);
	session.out = out;
	session.format = out_find(o->format);
	session.terminal = !o->raw && session.format == &out_text && isatty(fileno(out));
	session.map_fds = closed_fds(&session.arena, image->maps.n);
	session.ksyms = ksyms_open();
	session.usyms = usyms_open();
	usyms_demangle(session.usyms, image->config.cpp_demangle);
	l.prog_fds = closed_fds(&session.arena, image->progs.n);
	l.refused = arena_alloc(&session.arena, (image->progs.n + 1) * sizeof *l.refused);
	l.links = (struct links){ .arena = &session.arena, .pid = o->pid };
	l.diag = (struct diag){ .arena = &session.arena, .source = &image->source,
				.no_warnings = o->no_warnings };
	loop_signals(&session);
	fine = !o->command || child_start(&child, &session.arena, o->command);
	l.links.child = child.pid;
	fine = fine && trace(&l, &child, o);
	child_stop(&child);
	loop_close(&session);
	unload(&l);
	sideband_close(session.sideband);
	ksyms_close(session.ksyms);
	usyms_close(session.usyms);
	fine &= !fflush(out) && !ferror(out);
	session_free(&session);
	return fine ? session.exit_status : 1;
}

/* ---- options ---------------------------------------------------------------------------- */

static void script_init(struct script *s, const struct options *o)
{
	*s = (struct script){
		.check_only = o->check,
		.params_n = o->nparams,
		.params = o->params,
		.named_n = o->nnamed,
		.named = o->named,
		.has_command = o->command != NULL,
		.cgroup = o->cgroup,
		.unsafe = o->unsafe,
		.btf_path = o->btf ? o->btf : getenv("BPFTRACE_BTF"),
		.include_dirs = o->folders,
		.include_dirs_n = o->nfolders,
		.includes = o->headers,
		.includes_n = o->nheaders,
		.pid = o->pid,
	};
	config_init(s);
	s->types.arena = &s->arena;
	s->diag = (struct diag){ .arena = &s->work, .source = &s->source,
				 .no_warnings = o->no_warnings,
				 .json = o->check && o->format && !strcmp(o->format, "json") ? stdout : NULL };
}

/* A bare name that is no file is that of a script that came with xbt: beside the program as it was
 * built, or where it was installed. */
static const char *find_script(struct arena *a, const char *name)
{
	static const char *const folders[] = { "scripts", "../share/xbt/scripts" };
	size_t len = strlen(name);
	const char *suffix = len > 3 && !strcmp(name + len - 3, ".bt") ? "" : ".bt";
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	const char *path;

	if (strchr(name, '/') || !access(name, F_OK) || n < 0)
		return name;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < LEN(folders); i++) {
		path = arena_printf(a, "%s/%s/%s%s", self, folders[i], name, suffix);
		if (!access(path, R_OK))
			return path;
	}
	return name;
}

static bool read_script(struct script *s, const struct options *o)
{
	const char *file = o->program ? NULL : find_script(&s->arena, o->file);
	const char *name = o->program ? "-e" : !strcmp(file, "-") ? "stdin" : file;
	const char *error = NULL;
	struct str text = str_of(o->program);

	if (!o->program)
		text = source_read(&s->arena, file, SCRIPT_MAX, &error);
	if (error) {
		fprintf(stderr, "xbt: error: can't read '%s': %s\n", o->file, error);
		return false;
	}
	source_init(&s->arena, &s->source, name, text);
	return true;
}

static FILE *open_output(const struct options *o)
{
	FILE *out = o->output ? fopen(o->output, "we") : stdout;

	if (out)
		setvbuf(out, NULL, o->buffering, 1 << 16);
	else
		fprintf(stderr, "xbt: error: can't write '%s': %s\n", o->output, strerror(errno));
	return out;
}

static int format_script(const struct options *o)
{
	struct script s;
	bool fine;

	script_init(&s, o);
	fine = read_script(&s, o);
	if (fine) {
		print_formatted(&s, stdout);
		diag_print(&s.diag, stderr);
	}
	fine = fine && !s.diag.nerror && !fflush(stdout) && !ferror(stdout);
	arena_free(&s.work);
	arena_free(&s.arena);
	return fine ? 0 : 1;
}

/* A pattern for functions of a program; all of them, if it names the program only. */
static const char *user_pattern(struct arena *a, const struct options *o)
{
	bool whole = o->pid < 0 && strchr(o->pattern, ':') == strrchr(o->pattern, ':');

	return arena_printf(a, "%s%s", o->pattern, whole ? ":*" : "");
}

static bool expand_listed(struct script *s, const struct options *o)
{
	struct dumps none = { dump_wanted, NULL, NULL };

	if (!o->pattern || !list_needs_script(o->pattern))
		return read_script(s, o) && front(s, "expand", dump_script, &none, stderr);
	source_init(&s->arena, &s->source, "-l", str_of(user_pattern(&s->arena, o)));
	s->config.max_probes = UINT32_MAX;
	expand_pattern(s, s->source.text);
	diag_print(&s->diag, stderr);
	return !s->diag.nerror;
}

static int list_script(struct options *o)
{
	struct script s;
	bool fine;

	o->file = o->pattern;
	script_init(&s, o);
	fine = expand_listed(&s, o) && list_targets(&s, o->verbose, stdout) > 0;
	dwarf_close(&s);
	if (s.ksyms)
		ksyms_close(s.ksyms);
	arena_free(&s.work);
	arena_free(&s.arena);
	return fine ? 0 : 1;
}

/* A script rather than what -l finds by itself? The name of a type of probes is not a file's. */
static bool is_script(const struct options *o)
{
	struct arena a = { NULL };
	struct stat st;
	bool yes;

	if (o->program || !o->pattern || list_needs_script(o->pattern))
		return o->program || o->pattern;
	yes = !strcmp(o->pattern, "-") || (!probe_kind_find(str_of(o->pattern)) &&
	      !stat(find_script(&a, o->pattern), &st) && S_ISREG(st.st_mode));
	arena_free(&a);
	return yes;
}

static int list_one(struct options *o)
{
	return is_script(o) ? list_script(o) : list_probes(o->pattern, o->verbose, o->btf);
}

/* "kprobe:tcp_*,t:tcp:*": one after the other, in which commas in quotes divide nothing. */
static int list(struct options *o)
{
	struct arena a = { NULL };
	bool quoted = false;
	char *beg;
	int status = 0;

	if (o->program || !o->pattern || !strchr(o->pattern, ',') || !access(o->pattern, F_OK))
		return list_one(o);
	beg = str_dup(&a, str_of(o->pattern));
	for (char *at = beg; beg; at++) {
		char end = *at;

		quoted ^= end == '"';
		if (end && (end != ',' || quoted))
			continue;
		*at = '\0';
		o->pattern = beg;
		if (*beg)
			status |= list_one(o);
		beg = end ? at + 1 : NULL;
	}
	arena_free(&a);
	return status;
}

static int compile_and_run(const struct options *o)
{
	struct dumps dumps = { dump_wanted, o->stages, stdout };
	struct script s;
	struct image *image = NULL;
	FILE *out = NULL;
	int status = 1;

	if (!stages_known(o->stages))
		return 1;
	script_init(&s, o);
	if (read_script(&s, o) && (o->check || o->stages || process_exists(o->pid)))
		image = compile(&s, &dumps);
	dwarf_close(&s);
	if (o->check)
		status = s.source.name && !s.diag.nerror ? 0 : 1;
	else if (image && o->stages)
		status = 0; /* -d prints, and runs nothing */
	else if (image && (out = open_output(o)))
		status = run(image, o, out);
	if (out && out != stdout)
		fclose(out);
	if (s.ksyms)
		ksyms_close(s.ksyms);
	arena_free(&s.work);
	arena_free(&s.arena);
	image_free(image);
	return status;
}

int main(int argc, char **argv)
{
	struct options o;

	options_parse(&o, argc, argv);
	switch (o.action) {
	case ACT_LIST:
		return list(&o);
	case ACT_INFO:
		return show_info();
	case ACT_BUILTINS:
		builtins_list(stdout);
		return 0;
	case ACT_HELP:
		options_help(stdout);
		return 0;
	case ACT_VERSION:
		puts("xbt " XBT_VERSION);
		return 0;
	case ACT_ERROR:
		return 1;
	case ACT_RUN:
		break;
	}
	return o.format_only ? format_script(&o) : compile_and_run(&o);
}
