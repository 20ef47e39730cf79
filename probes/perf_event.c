// SPDX-License-Identifier: Apache-2.0
/*
 * Perf events with a program on them: tracepoints, kprobes, uprobes, timers, counters, watchpoints.
 *
 * Since Linux 5.15 a BPF link can tie the two; before that an ioctl does. Either way what is kept
 * is one file descriptor, and closing it detaches. (A link holds its event: the event's own
 * descriptor goes.)
 *
 * What samples or counts does so on every CPU, or with -p in each thread that the process has and
 * in those that it will have.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "codegen/image.h"
#include "target/target.h"

/* ---- one event -------------------------------------------------------------------------- */

static int perf_open(struct perf_event_attr *attr, pid_t pid, int cpu)
{
	attr->size = sizeof *attr;
	attr->disabled = 1;
	return (int)syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

/* The descriptor that now holds both, or -1. What the ioctl says is the better reason: the link
 * call fails on old kernels whatever the program. */
static int bind_program(int perf_fd, int prog_fd, const struct prog *prog, const struct target *t)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .perf_event.bpf_cookie = (uint64_t)(t - prog->targets));
	int fd = bpf_link_create(prog_fd, perf_fd, BPF_PERF_EVENT, prog->cookies ? &opts : NULL);

	if (fd < 0 && prog->cookies)
		return -1;
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
		links->why = attach_reason(error);
		return -error;
	}
	fd = bind_program(perf_fd, prog_fd, prog, t);
	error = errno;
	if (fd != perf_fd)
		close(perf_fd);
	if (fd < 0) {
		links->why = attach_reason(error);
		if (!links->why)
			links->why = program_reason(links->arena, error);
		return -error;
	}
	attach_keep(links, fd, prog, t);
	return 0;
}

/* The PMU's number, and the bit of config that makes it a return probe: "config:0". */
bool attach_pmu(struct arena *a, const char *name, bool at_return, struct perf_event_attr *attr)
{
	const char *pmu = arena_printf(a, "/sys/bus/event_source/devices/%s", name);
	struct str format;
	uint64_t type, bit = 0;

	if (!str_to_u64(target_read(a, arena_printf(a, "%s/type", pmu)), &type))
		return false;
	attr->type = (uint32_t)type;
	if (!at_return)
		return true;
	format = target_read(a, arena_printf(a, "%s/format/retprobe", pmu));
	if (!str_starts(format, "config:") ||
	    !str_to_u64((struct str){ format.s + 7, format.len - 7 }, &bit) || bit > 63)
		return false;
	attr->config = UINT64_C(1) << bit;
	return true;
}

/* ---- an event on every CPU, or in a process --------------------------------------------- */

/* "0-3,5" -> the first CPU at or after `from`; -1: there is none. */
static int next_cpu(const char *list, int from)
{
	while (*list) {
		char *end;
		long first = strtol(list, &end, 10), last = first;

		if (end == list)
			break;
		if (*end == '-')
			last = strtol(end + 1, &end, 10);
		if (last >= from)
			return first > from ? (int)first : from;
		list = *end == ',' ? end + 1 : end;
	}
	return -1;
}

static const char *online_cpus(struct arena *a)
{
	struct str list = target_read(a, "/sys/devices/system/cpu/online");

	return list.len ? str_dup(a, list) : "0";
}

int first_cpu(struct arena *a)
{
	return next_cpu(online_cpus(a), 0);
}

static int attach_cpus(const struct perf_event_attr *event, int prog_fd, const struct prog *prog,
		       const struct target *t, struct links *links, bool *refused)
{
	const char *online = online_cpus(links->arena);
	uint32_t before = links->list.n;
	int error = 0;

	for (int cpu = 0; (cpu = next_cpu(online, cpu)) >= 0; cpu++) {
		struct perf_event_attr attr = *event;

		error = attach_perf(&attr, -1, cpu, prog_fd, prog, t, links, refused);
		/* A CPU may go offline meanwhile; but not all of them. */
		if (error && !(error == -ENODEV && *refused))
			return error;
	}
	return links->list.n > before ? 0 : error;
}

/* A thread's event must also serve the threads it starts, but not the processes: inherit_thread
 * says so since Linux 5.13. Before that new threads go without. */
static int attach_thread(const struct perf_event_attr *event, pid_t tid, int prog_fd,
			 const struct prog *prog, const struct target *t, struct links *links,
			 bool *refused)
{
	struct perf_event_attr attr = *event;
	int error;

	attr.inherit = attr.inherit_thread = 1;
	error = attach_perf(&attr, tid, -1, prog_fd, prog, t, links, refused);
	if (error == -EINVAL && *refused) {
		attr = *event;
		error = attach_perf(&attr, tid, -1, prog_fd, prog, t, links, refused);
	}
	/* It may have ended since it was listed. */
	return error == -ESRCH && *refused ? 0 : error;
}

static int attach_process(const struct perf_event_attr *event, pid_t pid, int prog_fd,
			  const struct prog *prog, const struct target *t, struct links *links,
			  bool *refused)
{
	DIR *tasks = opendir(target_path(links->arena,
					 arena_printf(links->arena, "/proc/%d/task", pid)));
	uint32_t before = links->list.n;
	struct dirent *e;
	int error = 0;

	while (tasks && !error && (e = readdir(tasks)))
		if (atoi(e->d_name) > 0)
			error = attach_thread(event, atoi(e->d_name), prog_fd, prog, t, links, refused);
	if (tasks)
		closedir(tasks);
	if (error || links->list.n > before)
		return error;
	links->why = arena_printf(links->arena, "there is no process %d", pid);
	return -ESRCH;
}

int attach_sampler(const struct perf_event_attr *event, pid_t pid, int prog_fd,
		   const struct prog *prog, const struct target *t, struct links *links, bool *refused)
{
	uint32_t before = links->list.n;
	int error;

	*refused = false;
	error = pid > 0 ? attach_process(event, pid, prog_fd, prog, t, links, refused)
			: attach_cpus(event, prog_fd, prog, t, links, refused);
	if (error)
		attach_undo(links, before);
	return error;
}
