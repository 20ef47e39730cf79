// SPDX-License-Identifier: Apache-2.0
/*
 * start SECONDS COMMAND...: how long a tracer takes until everything is attached, and what it costs.
 *
 * Knows: the line that tracers print then, if the environment asks for it. Needs: nothing else.
 * Leaves: one line "wall_ms cpu_ms peak_KiB", where CPU time and memory are those of the whole life;
 * or "timeout", or "failed", and status 1. The tracer is ended by SIGINT.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORD "__BPFTRACE_NOTIFY_PROBES_ATTACHED"

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double ms(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

/* 1: the line came; 0: end of output; -1: too late. */
static int wait_line(int fd, double deadline)
{
	static char text[1 << 16];
	size_t n = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		double left = deadline - now_ms();
		ssize_t got;

		if (left <= 0 || poll(&p, 1, (int)left + 1) == 0)
			return -1;
		got = read(fd, text + n, sizeof text - 1 - n);
		if (got <= 0)
			return 0;
		text[n += (size_t)got] = 0;
		if (strstr(text, WORD))
			return 1;
		if (n > sizeof text / 2)
			n = 0;
	}
}

int main(int argc, char **argv)
{
	double start, wall;
	struct rusage used;
	int out[2], came;
	pid_t pid;

	if (argc < 3 || pipe(out))
		return 2;
	setenv(WORD, "1", 1);
	start = now_ms();
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		dup2(out[1], 1);
		close(out[0]);
		close(out[1]);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	close(out[1]);
	came = wait_line(out[0], start + atof(argv[1]) * 1e3);
	wall = now_ms() - start;
	if (came < 0)
		kill(-pid, SIGKILL);
	else if (came)
		kill(pid, SIGINT);
	for (char rest[4096]; read(out[0], rest, sizeof rest) > 0;)
		;
	wait4(pid, NULL, 0, &used);
	if (came != 1) {
		puts(came < 0 ? "timeout" : "failed");
		return 1;
	}
	printf("%.2f %.2f %ld\n", wall, ms(used.ru_utime) + ms(used.ru_stime), used.ru_maxrss);
	return 0;
}
