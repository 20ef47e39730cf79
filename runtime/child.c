// SPDX-License-Identifier: Apache-2.0
/*
 * The command of -c: forked early, held right before its exec, let go once everything is attached,
 * so that nothing of its life is missed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/runtime.h"

/* One word of the command, unquoted; NULL at the end. *error if a quote is left open. */
static char *next_word(struct arena *a, const char **pos, bool *error)
{
	const char *p = *pos + strspn(*pos, " \t\n");
	char *word = arena_alloc(a, strlen(p) + 1), *w = word;
	char quote = 0;

	if (!*p)
		return NULL;
	for (; *p && (quote || !strchr(" \t\n", *p)); p++) {
		if (*p == quote)
			quote = 0;
		else if (!quote && (*p == '\'' || *p == '"'))
			quote = *p;
		else if (*p == '\\' && quote != '\'' && p[1])
			*w++ = *++p;
		else
			*w++ = *p;
	}
	*error |= quote != 0;
	*pos = p;
	return word;
}

static char **split(struct arena *a, const char *command)
{
	VEC(char *) words = { 0 };
	bool error = false;
	char *word;

	while ((word = next_word(a, &command, &error)))
		*vec_push(a, &words) = word;
	*vec_push(a, &words) = NULL;
	if (error || words.n == 1) {
		fprintf(stderr, "xbt: error: -c: %s\n", error ? "a quote is left open" : "no command");
		return NULL;
	}
	return words.v;
}

static int runnable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || access(path, X_OK) < 0)
		return errno;
	return S_ISREG(st.st_mode) ? 0 : EACCES;
}

/* Why the command can't be run, as far as looking can tell: it is not on PATH, or not a program. */
static int find_command(struct arena *a, const char *name)
{
	const char *path = getenv("PATH"), *file;
	int error = ENOENT;

	if (strchr(name, '/'))
		return runnable(name);
	for (path = path ? path : "/bin:/usr/bin"; error && path; path = strchr(path, ':')) {
		path += *path == ':';
		file = arena_printf(a, "%.*s/%s", (int)strcspn(path, ":"), path, name);
		error = runnable(file) == ENOENT ? error : runnable(file);
	}
	return error;
}

static void become(char **argv, int go)
{
	sigset_t none;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* held back, it must not outlive us */
	if (read(go, &byte, 1) != 1)
		_exit(127);
	prctl(PR_SET_PDEATHSIG, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(argv[0], argv);
	fprintf(stderr, "xbt: error: -c: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

bool child_start(struct child *c, struct arena *a, const char *command)
{
	char **argv = split(a, command);
	int ends[2], error;

	if (!argv)
		return false;
	error = find_command(a, argv[0]);
	if (!error && pipe2(ends, O_CLOEXEC) < 0)
		error = errno;
	if (error) {
		fprintf(stderr, "xbt: error: -c: %s: %s\n", argv[0], strerror(error));
		return false;
	}
	c->pid = fork();
	if (c->pid == 0) {
		close(ends[1]);
		become(argv, ends[0]);
	}
	close(ends[0]);
	c->go = ends[1];
	if (c->pid > 0)
		return true;
	c->pid = 0;
	fprintf(stderr, "xbt: error: -c: %s\n", strerror(errno));
	close(ends[1]);
	return false;
}

void child_release(struct child *c)
{
	if (c->pid && write(c->go, "", 1) != 1)
		fprintf(stderr, "xbt: warning: -c: the command was gone before it began\n");
}

bool child_ended(struct child *c)
{
	if (!c->pid || waitpid(c->pid, &c->status, WNOHANG) != c->pid)
		return false;
	c->pid = 0;
	close(c->go);
	return true;
}

void child_report(const struct child *c, FILE *err)
{
	int number = WTERMSIG(c->status);

	if (WIFSIGNALED(c->status))
		fprintf(err, "xbt: the command of -c was killed by signal %d (%s)\n", number,
			strsignal(number));
	else if (WEXITSTATUS(c->status))
		fprintf(err, "xbt: the command of -c ended with status %d\n", WEXITSTATUS(c->status));
}

void child_stop(struct child *c)
{
	if (!c->pid)
		return;
	close(c->go);
	kill(c->pid, SIGTERM);
	waitpid(c->pid, NULL, 0);
	c->pid = 0;
}
