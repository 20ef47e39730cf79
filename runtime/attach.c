// SPDX-License-Identifier: Apache-2.0
/*
 * Programs onto their probes and off again; iterators.
 *
 * What can't be attached is left out with a warning if another target of the same probe is there,
 * else it is an error: that is xbt's own way, and missing_probes has others. A signal ends attaching
 * at once. On a terminal, what takes longer than a second says how far it has come.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runtime/runtime.h"
#include "runtime/sideband.h"

struct failure {
	const struct target *target;
	uint32_t probe;
	const char *why;
};

struct attaching {
	struct loaded *l;
	uint32_t *done;      /* targets attached, by probe */
	uint32_t tried, all; /* targets */
	time_t start;
	bool shown;          /* the terminal's line is in use */
	VEC(struct failure) failures;
};

static bool is_special(const struct prog *p)
{
	return p->kind->provides & IS_SPECIAL;
}

/* ---- what went wrong -------------------------------------------------------------------- */

/* One line for n targets of an attach point that failed alike. */
static void report_failure(struct loaded *l, const struct failure *f, uint32_t n, bool others)
{
	const char *more = n > 1 ? arena_printf(l->links.arena, " and %u more", n - 1) : "";
	uint32_t rule = l->session->image->config.missing_probes;

	if (rule == MISSING_IGNORE)
		return;
	if (rule != MISSING_ALONE)
		others = rule == MISSING_WARN;
	if (others)
		diag_warn(&l->diag, f->target->at, "attach", "can't attach to %s%s: %s; left out",
			  f->target->text, more, f->why);
	else
		diag_error(&l->diag, f->target->at, "attach", "can't attach to %s%s: %s",
			   f->target->text, more, f->why);
}

static uint32_t count_alike(const struct failure *f, uint32_t n)
{
	uint32_t alike = 1;

	while (alike < n && f[alike].target->at.beg == f->target->at.beg &&
	       f[alike].probe == f->probe && !strcmp(f[alike].why, f->why))
		alike++;
	return alike;
}

static void note_failure(struct attaching *a, const struct prog *p, const struct target *t,
			 const char *why)
{
	*vec_push(a->l->links.arena, &a->failures) = (struct failure){ t, p->probe, why };
}

/* ---- attaching -------------------------------------------------------------------------- */

/* Each probe may take a descriptor. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Descriptors that waiting for events, printing and detaching will need. */
enum { SPARE = 16 };

static void keep_spare(int *fds)
{
	for (int i = 0; i < SPARE; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void free_spare(const int *fds)
{
	for (int i = 0; i < SPARE; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Attaching may take long: records of what processes map must not pile up meanwhile. */
static void look_around(struct attaching *a)
{
	if (a->l->session->sideband)
		sideband_read(a->l->session->sideband);
	if (!isatty(STDERR_FILENO) || time(NULL) - a->start <= 1)
		return;
	fprintf(stderr, "\rattaching: %u of %u", a->tried, a->all);
	a->shown = true;
}

static void count_target(struct attaching *a, const struct prog *p, const struct target *t)
{
	a->done[p->probe]++;
	a->l->attached++;
	a->l->awaited += !p->kind->once;
	if (a->l->verbose && !is_special(p))
		fprintf(stderr, "attached %s\n", t->text);
}

static void attach_target_alone(struct attaching *a, uint32_t index, const struct target *t)
{
	struct loaded *l = a->l;
	const struct prog *p = &l->session->image->progs.v[index];
	int error = 0;

	l->links.why = l->refused[index];
	if (l->prog_fds[index] < 0)
		error = -EINVAL;
	else if (!is_special(p))
		error = p->kind->attach(l->prog_fds[index], p, t, &l->links);
	if (error)
		note_failure(a, p, t, l->links.why ? l->links.why : strerror(-error));
	else
		count_target(a, p, t);
}

static void attach_program(struct attaching *a, uint32_t index)
{
	struct loaded *l = a->l;
	const struct prog *p = &l->session->image->progs.v[index];
	bool *attached = arena_alloc(l->links.arena, p->ntargets * sizeof *attached);

	if (l->partner[index] != index)
		memset(attached, true, p->ntargets * sizeof *attached);
	else if (p->ntargets > 1 && p->kind->attach_all && l->prog_fds[index] >= 0)
		p->kind->attach_all(l->prog_fds[index], p, &l->links, attached);
	for (uint32_t k = 0; k < p->ntargets && !attach_interrupted(); k++, a->tried++) {
		if (attached[k])
			count_target(a, p, &p->targets[k]);
		else
			attach_target_alone(a, index, &p->targets[k]);
		if (a->tried % 16 == 0)
			look_around(a);
	}
}

static bool attach_programs(struct attaching *a)
{
	const struct image *image = a->l->session->image;
	int spare[SPARE];

	for (uint32_t i = 0; i < image->progs.n; i++)
		a->all += image->progs.v[i].ntargets;
	raise_limit();
	keep_spare(spare);
	for (uint32_t i = 0; i < image->progs.n && !attach_interrupted(); i++) {
		if (a->l->partner[i] > i && attach_pair(a->l, i) && a->l->verbose)
			fprintf(stderr, "one link for entry and return (kprobe.session):\n");
		attach_program(a, i);
	}
	free_spare(spare);
	if (a->shown)
		fputs("\r\033[K", stderr);
	if (!attach_interrupted())
		return true;
	fprintf(stderr, "xbt: interrupted while attaching\n");
	return false;
}

bool attach(struct loaded *l)
{
	struct attaching a = { .l = l, .start = time(NULL) };
	uint32_t alike;
	bool fine;

	a.done = arena_alloc(l->links.arena, (l->session->image->nprobes + 1) * sizeof *a.done);
	fine = attach_programs(&a);
	for (uint32_t i = 0; fine && i < a.failures.n; i += alike) {
		alike = count_alike(&a.failures.v[i], a.failures.n - i);
		report_failure(l, &a.failures.v[i], alike, a.done[a.failures.v[i].probe] > 0);
	}
	diag_print(&l->diag, stderr);
	return fine && !l->diag.nerror;
}

/* ---- detaching -------------------------------------------------------------------------- */

enum { CLOSERS = 64, CLOSES = 16 };

struct closer {
	pthread_t thread;
	const struct links *links;
	uint32_t first, step;
	atomic_bool done;
};

static void *close_some(void *ctx)
{
	struct closer *c = ctx;

	for (uint32_t i = c->first; i < c->links->list.n; i += c->step)
		close(c->links->list.v[i].fd);
	c->done = true;
	return NULL;
}

/* Stacks are still taken until a probe is off, by processes that come and go. */
static void await(struct closer *c, struct session *s)
{
	static const struct timespec pause = { .tv_nsec = 5000000 };

	while (s->sideband && !c->done) {
		sideband_read(s->sideband);
		nanosleep(&pause, NULL);
	}
	pthread_join(c->thread, NULL);
}

/* The kernel lets most closes wait until all CPUs have seen it, tens of milliseconds each. Many that
 * wait at once wait once. */
void detach(struct loaded *l)
{
	uint32_t n = l->links.list.n / CLOSES < CLOSERS ? l->links.list.n / CLOSES + 1 : CLOSERS, started = 0;
	struct closer closers[CLOSERS];

	for (uint32_t i = 0; i < n; i++) {
		closers[started] = (struct closer){ .links = &l->links, .first = i, .step = n };
		if (pthread_create(&closers[started].thread, NULL, close_some, &closers[started]))
			close_some(&closers[started]);
		else
			started++;
	}
	for (uint32_t i = 0; i < started; i++)
		await(&closers[i], l->session);
	l->links.list.n = 0;
}

/* ---- iterators -------------------------------------------------------------------------- */

/* Reading runs the programs, for as long as it takes: in a process of its own, so that events are
 * taken meanwhile. */
static pid_t start_reader(int fd)
{
	pid_t pid = fork();
	char byte;

	if (pid)
		return pid;
	while (read(fd, &byte, 1) > 0)
		continue;
	_exit(0);
}

static bool run_iterator(struct loaded *l, int fd)
{
	static const struct timespec pause = { .tv_nsec = 1000000 };
	pid_t reader = start_reader(fd);

	if (reader < 0) {
		fprintf(stderr, "xbt: error: can't run an iterator: %s\n", strerror(errno));
		return false;
	}
	while (!waitpid(reader, NULL, WNOHANG)) {
		loop_drain(l->session);
		if (attach_interrupted())
			kill(reader, SIGKILL);
		nanosleep(&pause, NULL);
	}
	loop_drain(l->session);
	return true;
}

static bool pin_iterator(struct loaded *l, const struct link *link)
{
	if (iter_pin(&l->links, link)) {
		if (!l->quiet)
			fprintf(stderr, "Pinned %s: read it at %s\n", link->target->text, link->target->pin);
		return true;
	}
	diag_error(&l->diag, link->target->at, "pin", "can't pin %s: %s", link->target->text, l->links.why);
	return false;
}

/* If one can't be, none is left. */
static bool pin_iterators(struct loaded *l)
{
	uint32_t i;

	for (i = 0; i < l->links.list.n; i++)
		if (l->links.list.v[i].target->pin && !pin_iterator(l, &l->links.list.v[i]))
			break;
	if (i == l->links.list.n)
		return true;
	while (i--)
		if (l->links.list.v[i].target->pin)
			unlink(l->links.list.v[i].target->pin);
	diag_print(&l->diag, stderr);
	return false;
}

bool run_iterators(struct loaded *l)
{
	bool fine = pin_iterators(l);

	for (uint32_t i = 0; fine && i < l->links.list.n; i++) {
		const struct link *link = &l->links.list.v[i];
		int fd = link->target->pin ? -1 : iter_open(link);

		if (fd < 0)
			continue;
		fine = run_iterator(l, fd);
		close(fd);
	}
	return fine;
}
