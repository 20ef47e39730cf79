// SPDX-License-Identifier: Apache-2.0
/*
 * The command line, from one table: what getopt needs, what --help says and what the man page must
 * say too.
 *
 * Options stand before the script or behind it; once the script is known, what is left over are its
 * parameters. Behind "--" everything is a parameter.
 */
#include "runtime/options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/print.h"

enum { OPT_CHECK = 256, OPT_DRY_RUN, OPT_INFO, OPT_BUILTINS, OPT_NO_WARNINGS, OPT_RAW, OPT_UNSAFE,
       OPT_BTF, OPT_INCLUDE, OPT_CGROUP, OPT_MISSING, OPT_REFUSED, OPT_FMT };

static const struct {
	int key;
	const char *name, *argument, *text;
} table[] = {
	{ 'e', NULL, "PROGRAM", "run this program text" },
	{ 'o', NULL, "FILE", "write the script's output to FILE" },
	{ 'f', NULL, "FORMAT", "write the script's output as text (default), json, folded (stacks, a line each) "
			       "or flame (an SVG)" },
	{ 'q', NULL, NULL, "print nothing about attaching" },
	{ 'v', NULL, NULL, "say what is attached and how; with -l, show arguments" },
	{ 'B', NULL, "MODE", "buffer output by line (default), full or none" },
	{ OPT_RAW, "raw", NULL, "show control characters of traced text as they are, on terminals too" },
	{ 'I', NULL, "DIR", "look for headers in DIR" },
	{ OPT_INCLUDE, "include", "FILE", "read FILE's definitions before the script" },
	{ OPT_BTF, "btf", "FILE", "take the kernel's types from FILE" },
	{ 'c', NULL, "COMMAND", "run COMMAND once everything is attached, end when it ends" },
	{ 'p', NULL, "PID", "trace this process only, end when it ends" },
	{ OPT_CGROUP, "cgroup", "PATH", "trace what runs in this cgroup (v2) only, and in those below it" },
	{ OPT_MISSING, "missing-probes", "RULE", "what can't be probed: error, warn or ignore" },
	{ 'l', NULL, "[PATTERN]", "list probes: 'tracepoint:xen:*', 'kprobe:vfs_*', or those of a script; "
				  "or types: 'struct sock*'" },
	{ 'd', NULL, "STAGE", "print what a stage of the compiler leaves (ast, types, plan, build, "
			      "emit, all, ...), run nothing" },
	{ OPT_UNSAFE, "unsafe", NULL, "allow what changes the system: system(), signal(), override(), ..." },
	{ OPT_CHECK, "check", NULL, "check the script only: needs no privilege; "
					  "with -f json, diagnostics for editors" },
	{ OPT_FMT, "fmt", NULL, "print the script in canonical layout: needs no privilege" },
	{ OPT_DRY_RUN, "dry-run", NULL, "load and attach, then end: nothing of the script runs" },
	{ OPT_INFO, "info", NULL, "show what this system can do" },
	{ OPT_BUILTINS, "builtins", NULL, "list the words and functions of the language" },
	{ OPT_NO_WARNINGS, "no-warnings", NULL, "print no warnings" },
	{ 'k', NULL, NULL, "accepted: reads that fail are told in any case" },
	{ 'b', NULL, NULL, "accepted: the kernel's types are used in any case" },
	{ 'h', "help", NULL, "show this" },
	{ 'V', "version", NULL, "show the version" },
};

/* bpftrace's others, and why not. */
static const struct {
	const char *name;
	bool takes;
	const char *why;
} refused[] = {
	{ "aot", true, "xbt writes no programs to files" },
	{ "bench", true, "it is for bpftrace's own development" },
	{ "debuginfo", true, "debug files are found by their build id" },
	{ "emit-elf", true, "xbt writes no object files; -d emit shows the instructions" },
	{ "emit-llvm", true, "there is no LLVM in xbt; -d build shows its own form" },
	{ "mode", true, "it is for bpftrace's own development" },
	{ "no-feature", true, "what the kernel can do is found out by asking it" },
	{ "probe-filter", true, "a pattern says what to attach to" },
	{ "test", true, "it is for bpftrace's own development" },
	{ "traceable-functions", true, "the kernel's own list of functions is used" },
	{ "usdt-file-activation", false, "the kernel counts a USDT probe's users itself" },
};

void options_help(FILE *out)
{
	fputs("usage: xbt [OPTIONS] FILE [ARGUMENT...]\n"
	      "       xbt [OPTIONS] -e PROGRAM [ARGUMENT...]\n"
	      "       xbt [OPTIONS] - [ARGUMENT...]     read the script from standard input\n"
	      "       xbt -l [PATTERN | FILE | -e PROGRAM]\n\n"
	      "Runs bpftrace scripts.\n\n"
	      "options:\n", out);
	for (size_t i = 0; i < LEN(table); i++) {
		char usage[64];

		snprintf(usage, sizeof usage, "%s%.1s%s%s%s%s%s", table[i].key < 256 ? "-" : "",
			 table[i].key < 256 ? (const char[]){ (char)table[i].key, 0 } : "",
			 table[i].key < 256 && table[i].name ? ", " : "", table[i].name ? "--" : "",
			 table[i].name ? table[i].name : "", table[i].argument ? " " : "",
			 table[i].argument ? table[i].argument : "");
		fprintf(out, "  %-16s %s\n", usage, table[i].text);
	}
	fputs("\nexit status: 0, what the script's exit() gives, or 1 for an error in script or system\n",
	      out);
}

static void complain(struct options *o, const char *what, const char *value)
{
	fprintf(stderr, "xbt: error: %s%s%s\n", what, value ? ": " : "", value ? value : "");
	o->action = ACT_ERROR;
}

static void refuse(struct options *o, const char *name, const char *why)
{
	fprintf(stderr, "xbt: error: --%s: %s\n", name, why);
	o->action = ACT_ERROR;
}

static void set_buffering(struct options *o, const char *mode)
{
	if (!strcmp(mode, "line"))
		o->buffering = _IOLBF;
	else if (!strcmp(mode, "full"))
		o->buffering = _IOFBF;
	else if (!strcmp(mode, "none"))
		o->buffering = _IONBF;
	else
		complain(o, "-B takes line, full or none, not", mode);
}

static void set_format(struct options *o, const char *name)
{
	if (!out_find(name))
		complain(o, "-f takes text, json, folded or flame, not", name);
	o->format = name;
}

static void set_pid(struct options *o, const char *text)
{
	char *end;
	long pid = strtol(text, &end, 10);

	if (*end || end == text || pid <= 0 || pid > 4194304)
		complain(o, "-p takes a process id, not", text);
	else
		o->pid = (pid_t)pid;
}

/* As the setting of that name, which the environment may give. */
static void set_missing(struct options *o, const char *rule)
{
	if (strcmp(rule, "error") && strcmp(rule, "warn") && strcmp(rule, "ignore"))
		complain(o, "--missing-probes takes error, warn or ignore, not", rule);
	else
		setenv("BPFTRACE_MISSING_PROBES", rule, 1);
}

/* What getopt could not make sense of: it says which in optopt, or it stands before optind. */
static void unknown(struct options *o, int key)
{
	char name[] = { '-', (char)optopt, 0 };
	const char *text = optopt > 0 && optopt < 256 ? name : o->argv[optind - 1];

	if (key == ':')
		complain(o, "this option needs an argument", text);
	else
		complain(o, "there is no such option", text);
	fputs("  hint: xbt --help lists the options\n", stderr);
}

static void add_include(struct options *o, const char **list, uint32_t *n, const char *value)
{
	if (*n == INCLUDES_MAX)
		complain(o, "more than 64 times -I or --include", NULL);
	else
		list[(*n)++] = value;
}

static void take(struct options *o, int key, const char *value)
{
	switch (key) {
	case 'e': o->program = value; break;
	case 'o': o->output = value; break;
	case 'f': set_format(o, value); break;
	case 'q': o->quiet = true; break;
	case 'v': o->verbose = true; break;
	case 'B': set_buffering(o, value); break;
	case 'c': o->command = value; break;
	case 'p': set_pid(o, value); break;
	case 'l': o->action = ACT_LIST; break;
	case 'd': o->stages = value; break;
	case 'I': add_include(o, o->folders, &o->nfolders, value); break;
	case OPT_INCLUDE: add_include(o, o->headers, &o->nheaders, value); break;
	case OPT_BTF: o->btf = value; break;
	case OPT_CHECK: o->check = true; break;
	case OPT_FMT: o->format_only = true; break;
	case OPT_DRY_RUN: o->dry_run = true; break;
	case OPT_INFO: o->action = ACT_INFO; break;
	case OPT_BUILTINS: o->action = ACT_BUILTINS; break;
	case OPT_RAW: o->raw = true; break;
	case OPT_CGROUP: o->cgroup = value; break;
	case OPT_MISSING: set_missing(o, value); break;
	case OPT_UNSAFE: o->unsafe = true; break;
	case OPT_NO_WARNINGS: o->no_warnings = true; break;
	case 'h': o->action = ACT_HELP; break;
	case 'V': o->action = ACT_VERSION; break;
	case 'b':
	case 'k': break;
	default:
		if (key >= OPT_REFUSED)
			refuse(o, refused[key - OPT_REFUSED].name, refused[key - OPT_REFUSED].why);
		else
			unknown(o, key);
		break;
	}
}

/* --name and --name=value, which only "--" lets through, to the end; the others are $1, $2, ... */
static void split_params(struct options *o, int argc, char **argv, int first)
{
	char *named[argc + 1];
	int n = first;

	for (int i = first; i < argc; i++)
		if (!strncmp(argv[i], "--", 2) && argv[i][2])
			named[o->nnamed++] = argv[i];
		else
			argv[n++] = argv[i];
	o->params = argv + first;
	o->nparams = (uint32_t)(n - first);
	o->named = argv + n;
	memcpy(argv + n, named, o->nnamed * sizeof *named);
}

static void finish(struct options *o, int argc, char **argv, int first)
{
	if (o->action == ACT_LIST) {
		o->pattern = !o->program && first < argc ? argv[first++] : NULL;
		split_params(o, argc, argv, first);
		return;
	}
	if (o->action != ACT_RUN)
		return;
	if (!o->program && first < argc)
		o->file = argv[first++];
	split_params(o, argc, argv, first);
	if (!o->program && !o->file) {
		complain(o, "no script: name a file, or give a program with -e", NULL);
		fputs("  hint: xbt --help lists the options\n", stderr);
	}
}

void options_parse(struct options *o, int argc, char **argv)
{
	struct option longs[LEN(table) + LEN(refused) + 1] = { 0 };
	char shorts[2 * LEN(table) + 4];
	size_t n = 1, l = 0;
	int key;

	shorts[0] = ':'; /* tell a missing argument from an unknown option */
	for (size_t i = 0; i < LEN(table); i++) {
		bool takes = table[i].argument && table[i].key != 'l';

		if (table[i].key < 256) {
			shorts[n++] = (char)table[i].key;
			if (takes)
				shorts[n++] = ':';
		}
		if (table[i].name)
			longs[l++] = (struct option){ table[i].name, takes, NULL, table[i].key };
	}
	for (size_t i = 0; i < LEN(refused); i++)
		longs[l++] = (struct option){ refused[i].name, refused[i].takes, NULL, OPT_REFUSED + (int)i };
	shorts[n] = 0;
	opterr = 0;
	*o = (struct options){ .action = ACT_RUN, .argv = argv, .buffering = _IOLBF, .pid = -1,
			       .format = "text" };
	while ((key = getopt_long(argc, argv, shorts, longs, NULL)) != -1 && o->action != ACT_ERROR)
		take(o, key, optarg);
	if (o->action != ACT_ERROR)
		finish(o, argc, argv, optind);
}
