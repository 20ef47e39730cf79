// SPDX-License-Identifier: Apache-2.0
/*
 * The command line.
 */
#ifndef XBT_OPTIONS_H
#define XBT_OPTIONS_H

#include <sys/types.h>

#include "core/core.h"

enum action { ACT_RUN, ACT_LIST, ACT_INFO, ACT_BUILTINS, ACT_HELP, ACT_VERSION, ACT_ERROR };

enum { INCLUDES_MAX = 64 };

struct options {
	enum action action;
	char **argv;             /* the whole command line */
	const char *program;     /* -e; else NULL */
	const char *file;        /* FILE or "-" */
	char *const *params;     /* what follows it: $1, $2, ... */
	char *const *named;      /* --name=value among them: for getopt() */
	uint32_t nparams, nnamed;
	const char *output;      /* -o */
	const char *format;      /* -f */
	int buffering;           /* _IOLBF, _IOFBF, _IONBF */
	const char *btf;         /* --btf */
	const char *folders[INCLUDES_MAX], *headers[INCLUDES_MAX]; /* -I, --include */
	uint32_t nfolders, nheaders;
	const char *command;     /* -c */
	pid_t pid;               /* -p; -1 */
	const char *cgroup;      /* --cgroup */
	const char *pattern;     /* -l; NULL: everything */
	const char *stages;      /* -d: comma-separated; NULL: none */
	bool unsafe, check, format_only, dry_run, quiet, verbose, no_warnings, raw;
};

/* Fills the options; on ACT_ERROR the reason was printed. */
void options_parse(struct options *, int argc, char **argv);
/* The text of --help, also checked against the man page by a test. */
void options_help(FILE *);

#define XBT_VERSION "0.1.0"

#endif
