// SPDX-License-Identifier: Apache-2.0
/*
 * The loop: waits for events, for signals, for the end of a child or process.
 *
 * Signals are blocked except while waiting, so none is lost between a check and the wait. A flood of
 * events does not starve them: after some thousand events the ring buffer's reader comes up for air.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/print.h"
#include "runtime/runtime.h"
#include "runtime/sideband.h"

enum { AT_ONCE = 4096 };

/* A signal handler has no other way to speak. */
static volatile sig_atomic_t interrupted, called;

/* SIGCHLD only ends the wait; who ended is asked there. */
static void note_signal(int number)
{
	if (number == SIGUSR1)
		called = 1;
	else if (number != SIGCHLD)
		interrupted = 1;
}

/* Stops the reader when it is time to look around; not while draining. */
static int take_event(void *ctx, void *data, size_t size)
{
	struct session *s = ctx;

	handle_event(s, data, size);
	if (s->draining || (!s->done && ++s->at_once < AT_ONCE))
		return 0;
	return -EAGAIN;
}

bool loop_open(struct session *s)
{
	int fd = s->map_fds[IMAGE_RINGBUF];

	if (fd < 0)
		return true;
	s->ring = ring_buffer__new(fd, take_event, s, NULL);
	if (s->ring)
		return true;
	fprintf(stderr, "xbt: error: can't read the ring buffer: %s\n", strerror(errno));
	return false;
}

void loop_close(struct session *s)
{
	ring_buffer__free(s->ring);
	s->ring = NULL;
}

void loop_drain(struct session *s)
{
	s->draining = true;
	if (s->ring)
		ring_buffer__consume(s->ring);
	s->draining = false;
}

/* ---- waiting ---------------------------------------------------------------------------- */

/* Does the script want to know of signals? */
static bool listens(const struct image *image)
{
	for (uint32_t i = 0; i < image->progs.n; i++)
		if (!strcmp(image->progs.v[i].kind->name, "self"))
			return true;
	return false;
}

/* Blocks the signals that end tracing, and SIGUSR1 if the script has a probe for it; s->waiting is
 * the mask under which they come through. */
void loop_signals(struct session *s)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1 };
	struct sigaction action = { .sa_handler = note_signal };
	size_t n = LEN(numbers) - !listens(s->image);
	sigset_t held;

	sigemptyset(&held);
	for (size_t i = 0; i < n; i++) {
		sigaddset(&held, numbers[i]);
		sigaction(numbers[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &held, NULL);
	sigprocmask(SIG_BLOCK, NULL, &s->waiting);
	for (size_t i = 0; i < n; i++)
		sigdelset(&s->waiting, numbers[i]);
}

static bool watch(int epoll, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data = { .fd = fd } };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0;
}

/* A descriptor that becomes readable when the process ends. */
static int watch_process(int epoll, pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd >= 0)
		watch(epoll, fd);
	return fd;
}

static void consume(struct session *s)
{
	s->at_once = 0;
	if (s->sideband)
		sideband_read(s->sideband);
	if (s->ring)
		ring_buffer__consume(s->ring);
}

/* One run of the script's `self` probes for all signals since the last. False: said why. */
static bool answer(struct loaded *l)
{
	if (!called)
		return true;
	called = 0;
	return run_special(l, "self");
}

bool loop(struct loaded *l, struct child *child, pid_t pid)
{
	struct session *s = l->session;
	int epoll = epoll_create1(EPOLL_CLOEXEC), process = -1;
	bool ended = false, fine = true;

	if (epoll < 0 || (s->ring && !watch(epoll, ring_buffer__epoll_fd(s->ring)))) {
		fprintf(stderr, "xbt: error: can't wait for events: %s\n", strerror(errno));
		return false;
	}
	for (uint32_t i = 0; s->sideband && sideband_fd(s->sideband, i) >= 0; i++)
		watch(epoll, sideband_fd(s->sideband, i));
	if (pid >= 0)
		process = watch_process(epoll, pid);
	ended = pid >= 0 && process < 0 && errno == ESRCH; /* while we attached */
	while (fine && !s->done && !interrupted && !ended) {
		struct epoll_event e = { 0 };
		int n = epoll_pwait(epoll, &e, 1, s->at_once >= AT_ONCE ? 0 : -1, &s->waiting);

		if (n > 0 && e.data.fd == process)
			ended = true;
		ended |= child_ended(child);
		fine = answer(l);
		consume(s);
		s->done |= exit_noted(s);
		if (ferror(s->out))
			ended = true; /* nobody reads any more */
	}
	if (process >= 0)
		close(process);
	close(epoll);
	return fine;
}
