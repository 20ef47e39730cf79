// SPDX-License-Identifier: Apache-2.0
/*
 * cat() and system(): what a file or a command says becomes output of the script's.
 *
 * A command gets none of our signals' masks and none of our files; its errors go where ours go. Names
 * come from traced processes: that is why system() needs --unsafe.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/print.h"

/* All of a file, at most `most` bytes, through the format as one text. */
static bool print_file(struct session *s, int fd, size_t most, const char *type)
{
	struct buffer *b = &s->text;
	ssize_t got = 1;

	for (b->n = 0; got > 0 && b->n < most; b->n += got > 0 ? (size_t)got : 0) {
		size_t room = most - b->n < 65536 ? most - b->n : 65536;

		got = read(fd, buffer_room(b, room), room);
		if (got < 0 && errno == EINTR)
			got = 1, b->n--;
	}
	if (b->n)
		s->format->text(s, type, (struct str){ b->v, (uint32_t)b->n });
	return got >= 0;
}

void command_cat(struct session *s, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 || !print_file(s, fd, s->image->config.max_cat_bytes, "cat"))
		fprintf(s->err, "xbt: error: can't read '%s': %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static _Noreturn void become_shell(const char *command, int out)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(out, STDOUT_FILENO);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static void report_status(struct session *s, const char *command, int status)
{
	if (WIFSIGNALED(status))
		fprintf(s->err, "xbt: error: system(): killed by signal %d: %s\n", WTERMSIG(status), command);
	else if (WEXITSTATUS(status))
		fprintf(s->err, "xbt: error: system(): status %d: %s\n", WEXITSTATUS(status), command);
}

void command_run(struct session *s, const char *command)
{
	char *copy = str_dup(&s->arena, str_of(command)); /* the buffer takes the output */
	int ends[2], status = 0;
	pid_t pid = -1;

	fflush(s->out);
	if (pipe2(ends, O_CLOEXEC) == 0) {
		pid = fork();
		if (pid == 0)
			become_shell(copy, ends[1]);
		close(ends[1]);
		if (pid > 0)
			print_file(s, ends[0], UINT32_MAX, "syscall");
		close(ends[0]);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fprintf(s->err, "xbt: error: system(): %s: %s\n", strerror(errno), copy);
	else
		report_status(s, copy, status);
}
