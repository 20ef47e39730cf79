// SPDX-License-Identifier: Apache-2.0
/*
 * What the probe kinds share: the table of kinds, the making of targets, and perf events.
 *
 * Tracepoints, kprobes and timers are all perf events with a program on them. Since Linux 5.15 a
 * BPF link can tie the two; before that an ioctl does. Either way what is kept is one file
 * descriptor, and closing it detaches. (A link holds its event: the event's own descriptor goes.)
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "codegen/image.h"
#include "sema/script.h"
#include "target/target.h"

/* ---- the kinds -------------------------------------------------------------------------- */

#define PROBE(id) extern const struct probe_kind probe_##id;
#include "probes/probes.def"
#undef PROBE

const struct probe_kind *const probe_kinds[] = {
#define PROBE(id) &probe_##id,
#include "probes/probes.def"
#undef PROBE
};
const uint32_t probe_kind_count = LEN(probe_kinds);

/* Short names keep their case: 'u' and 'U' are different kinds. */
static bool is_named(const struct probe_kind *kind, struct str name)
{
	return (strlen(kind->name) == name.len && !strncasecmp(kind->name, name.s, name.len)) ||
	       (kind->alias && str_is(name, kind->alias));
}

const struct probe_kind *probe_kind_find(struct str name)
{
	for (uint32_t i = 0; i < probe_kind_count; i++)
		if (is_named(probe_kinds[i], name))
			return probe_kinds[i];
	return NULL;
}

/* ---- compiling -------------------------------------------------------------------------- */

struct span attach_span(const struct attach_point *ap, struct str part)
{
	uintptr_t spec = (uintptr_t)ap->spec.s, at = (uintptr_t)part.s;

	if (!part.len || at < spec || at + part.len > spec + ap->spec.len ||
	    ap->at.end - ap->at.beg != ap->spec.len)
		return ap->at;
	return (struct span){ ap->at.beg + (uint32_t)(at - spec),
			      ap->at.beg + (uint32_t)(at - spec) + part.len };
}

bool attach_malformed(struct script *s, const struct attach_point *ap)
{
	diag_error(&s->diag, ap->at, "probe-form", "an attach point of this kind has the form %s",
		   ap->kind->form);
	return false;
}

struct target *attach_target(struct script *s, struct attach_point *ap, const char *fmt, ...)
{
	struct target *t = vec_push(&s->arena, &ap->targets);
	va_list args;

	va_start(args, fmt);
	*t = (struct target){
		.text = arena_printf(&s->arena, "%s:%s", ap->kind->name,
				     arena_vprintf(&s->arena, fmt, args)),
		.group = "",
		.name = "",
		.at = ap->at,
	};
	va_end(args);
	return t;
}

bool attach_listed(struct str pattern, const char *name)
{
	return !pattern.len || glob_match(pattern, str_of(name));
}

/* ---- attaching -------------------------------------------------------------------------- */

static const char *common_reason(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return "not permitted: CAP_PERFMON (before Linux 5.8: CAP_SYS_ADMIN) is missing";
	case EMFILE:
		return "too many open files (ulimit -n)";
	case ENFILE:
		return "the system has too many open files";
	default:
		return NULL;
	}
}

static int perf_open(struct perf_event_attr *attr, pid_t pid, int cpu)
{
	attr->size = sizeof *attr;
	attr->disabled = 1;
	return (int)syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/* The descriptor that now holds both, or -1. What the ioctl says is the better reason: the link
 * call fails on old kernels whatever the program. */
static int bind_program(int perf_fd, int prog_fd)
{
	int fd = bpf_link_create(prog_fd, perf_fd, BPF_PERF_EVENT, NULL);

	if (fd < 0 && ioctl(perf_fd, PERF_EVENT_IOC_SET_BPF, prog_fd) < 0)
		return -1;
	if (ioctl(perf_fd, PERF_EVENT_IOC_ENABLE, 0) < 0) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		errno = error;
		return -1;
	}
	return fd < 0 ? perf_fd : fd;
}

static const char *program_reason(struct arena *a, int error)
{
	if (error == E2BIG)
		return "too many programs are attached to it already";
	if (error == EEXIST)
		return "the event has a program already";
	return arena_printf(a, "the kernel does not take the program there: %s", strerror(error));
}

int attach_perf(struct perf_event_attr *attr, pid_t pid, int cpu, int prog_fd,
		const struct prog *prog, const struct target *t, struct links *links, bool *refused)
{
	int perf_fd = perf_open(attr, pid, cpu), fd, error;

	links->why = NULL;
	*refused = perf_fd < 0;
	if (perf_fd < 0) {
		error = errno;
		links->why = common_reason(error);
		return -error;
	}
	fd = bind_program(perf_fd, prog_fd);
	error = errno;
	if (fd != perf_fd)
		close(perf_fd);
	if (fd < 0) {
		links->why = common_reason(error);
		if (!links->why)
			links->why = program_reason(links->arena, error);
		return -error;
	}
	*vec_push(links->arena, &links->list) = (struct link){ fd, prog->probe, t };
	return 0;
}

void attach_undo(struct links *links, uint32_t n)
{
	while (links->list.n > n)
		close(links->list.v[--links->list.n].fd);
}
