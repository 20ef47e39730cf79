// SPDX-License-Identifier: Apache-2.0
/*
 * interval and profile: programs that run on a clock.
 *
 *	interval:s:1  interval:ms:100  interval:1s	on one CPU: for printing and clearing
 *	profile:hz:99  profile:1ms			on every CPU: for sampling what runs there
 *
 * Both are perf's software event cpu-clock, an hrtimer that fires in interrupt context. The kernel
 * lets it go no faster than every 10 us. A target's number is the period in ns, or Hz.
 *
 * With -p, profile samples that process alone: cpu-clock then counts its threads' own CPU time, one
 * event for each thread there is, inherited by the threads to come.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/image.h"
#include "lexer/lexer.h"
#include "sema/script.h"
#include "target/target.h"

/* perf's sample_period is a u64 whose top bit must be clear. */
static const uint64_t PERIOD_MAX = INT64_MAX;

struct rate {
	uint64_t number;
	bool hertz;
};

/* ---- compiling -------------------------------------------------------------------------- */

/* ns in a unit, 1 for hz; 0: not a unit. */
static uint64_t unit_factor(struct str unit)
{
	static const struct { const char *name; uint64_t factor; } units[] = {
		{ "s", 1000000000 }, { "ms", 1000000 }, { "us", 1000 }, { "hz", 1 },
	};

	for (size_t i = 0; i < LEN(units); i++)
		if (str_is(unit, units[i].name))
			return units[i].factor;
	return 0;
}

static bool bad_number(struct script *s, const struct attach_point *ap, struct str part)
{
	uint32_t e = diag_error(&s->diag, attach_span(ap, part), "timer-number",
				"'%.*s' is not a length of time or a frequency", STR_ARG(part));

	diag_hint(&s->diag, e, "write %s:s:1, %s:ms:100, %s:hz:99 or %s:10ms", ap->kind->name,
		  ap->kind->name, ap->kind->name, ap->kind->name);
	return false;
}

static bool bad_unit(struct script *s, const struct attach_point *ap, struct str unit)
{
	uint32_t e = diag_error(&s->diag, attach_span(ap, unit), "timer-unit",
				"'%.*s' is not a unit of time that a timer takes", STR_ARG(unit));

	diag_hint(&s->diag, e, "the units are s, ms, us and hz");
	return false;
}

static bool ends_in_digit(struct str s)
{
	return s.len && s.s[s.len - 1] >= '0' && s.s[s.len - 1] <= '9';
}

/* "s:1": the number takes no unit of its own. */
static bool read_pair(const struct attach_point *ap, struct rate *rate)
{
	const char *error;

	rate->hertz = str_is(ap->part[0], "hz");
	return ends_in_digit(ap->part[1]) && number_parse(ap->part[1], &rate->number, &error) &&
	       !__builtin_mul_overflow(rate->number, unit_factor(ap->part[0]), &rate->number);
}

/* "10ms", "1000000" (ns), "99hz" */
static bool read_duration(struct str text, struct rate *rate)
{
	const char *error;

	rate->hertz = text.len > 2 && !memcmp(text.s + text.len - 2, "hz", 2);
	if (rate->hertz)
		text.len -= 2;
	return text.len && number_parse(text, &rate->number, &error) &&
	       (!rate->hertz || ends_in_digit(text));
}

static bool read_rate(const struct attach_point *ap, struct rate *rate)
{
	return (ap->nparts == 2 ? read_pair(ap, rate) : read_duration(ap->part[0], rate)) &&
	       rate->number && rate->number <= PERIOD_MAX;
}

static bool parse_timer(struct script *s, struct attach_point *ap)
{
	struct rate rate;

	if (ap->nparts != 1 && ap->nparts != 2)
		return attach_malformed(s, ap);
	if (ap->nparts == 2 && !unit_factor(ap->part[0]))
		return bad_unit(s, ap, ap->part[0]);
	return read_rate(ap, &rate) || bad_number(s, ap, ap->part[ap->nparts - 1]);
}

static void expand_timer(struct script *s, struct attach_point *ap, const char **why,
			 const char **hint)
{
	struct target *t;
	struct rate rate = { 0 };

	(void)why;
	(void)hint;
	read_rate(ap, &rate);
	if (ap->nparts == 2)
		t = attach_target(s, ap, "%.*s:%.*s", STR_ARG(ap->part[0]), STR_ARG(ap->part[1]));
	else
		t = attach_target(s, ap, "%.*s", STR_ARG(ap->part[0]));
	t->number = rate.number;
	t->hertz = rate.hertz;
}

/* ---- attaching -------------------------------------------------------------------------- */

static struct perf_event_attr clock_event(const struct target *t)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.freq = t->hertz,
	};

	if (t->hertz)
		attr.sample_freq = t->number;
	else
		attr.sample_period = t->number;
	return attr;
}

static int explain(int error, bool refused, const struct target *t, struct links *links)
{
	if (error == -EINVAL && refused && t->hertz)
		links->why = arena_printf(links->arena, "%llu Hz is more than "
					  "kernel.perf_event_max_sample_rate allows (%.*s)",
					  (unsigned long long)t->number,
					  STR_ARG(target_read(links->arena,
						  "/proc/sys/kernel/perf_event_max_sample_rate")));
	return error;
}

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

static int attach_interval(int prog_fd, const struct prog *prog, const struct target *t,
			   struct links *links)
{
	struct perf_event_attr attr = clock_event(t);
	int cpu = next_cpu(online_cpus(links->arena), 0);
	bool refused;

	return explain(attach_perf(&attr, -1, cpu, prog_fd, prog, t, links, &refused), refused, t,
		       links);
}

static int attach_cpus(int prog_fd, const struct prog *prog, const struct target *t,
		       struct links *links)
{
	const char *online = online_cpus(links->arena);
	bool refused;

	for (int cpu = 0; (cpu = next_cpu(online, cpu)) >= 0; cpu++) {
		struct perf_event_attr attr = clock_event(t);
		int error = attach_perf(&attr, -1, cpu, prog_fd, prog, t, links, &refused);

		/* A CPU may go offline meanwhile. */
		if (error && !(error == -ENODEV && refused))
			return explain(error, refused, t, links);
	}
	return 0;
}

/* A thread's event must also serve the threads it starts, but not the processes: inherit_thread
 * says so since Linux 5.13. Before that new threads go without. */
static int attach_thread(pid_t tid, int prog_fd, const struct prog *prog, const struct target *t,
			 struct links *links)
{
	struct perf_event_attr attr = clock_event(t);
	bool refused;
	int error;

	attr.inherit = attr.inherit_thread = 1;
	error = attach_perf(&attr, tid, -1, prog_fd, prog, t, links, &refused);
	if (error == -EINVAL && refused) {
		attr = clock_event(t);
		error = attach_perf(&attr, tid, -1, prog_fd, prog, t, links, &refused);
	}
	/* It may have ended since it was listed. */
	return error == -ESRCH && refused ? 0 : explain(error, refused, t, links);
}

static int attach_process(int prog_fd, const struct prog *prog, const struct target *t,
			  struct links *links)
{
	DIR *tasks = opendir(target_path(links->arena,
					 arena_printf(links->arena, "/proc/%d/task", links->pid)));
	uint32_t before = links->list.n;
	struct dirent *e;
	int error = 0;

	while (tasks && !error && (e = readdir(tasks)))
		if (atoi(e->d_name) > 0)
			error = attach_thread(atoi(e->d_name), prog_fd, prog, t, links);
	if (tasks)
		closedir(tasks);
	if (error || links->list.n > before)
		return error;
	links->why = arena_printf(links->arena, "there is no process %d", links->pid);
	return -ESRCH;
}

static int attach_profile(int prog_fd, const struct prog *prog, const struct target *t,
			  struct links *links)
{
	uint32_t before = links->list.n;
	int error = links->pid > 0 ? attach_process(prog_fd, prog, t, links)
				   : attach_cpus(prog_fd, prog, t, links);

	if (error)
		attach_undo(links, before);
	return error;
}

/* ---- listing ---------------------------------------------------------------------------- */

static uint32_t list_units(const char *kind, struct str pattern, FILE *out)
{
	static const char *const units[] = { "hz:", "ms:", "s:", "us:" };
	uint32_t n = 0;

	for (size_t i = 0; i < LEN(units); i++)
		if (attach_listed(pattern, units[i]))
			n += fprintf(out, "%s:%s\n", kind, units[i]) > 0;
	return n;
}

static uint32_t list_interval(struct arena *a, struct str pattern, bool verbose, FILE *out)
{
	(void)a;
	(void)verbose;
	return list_units("interval", pattern, out);
}

static uint32_t list_profile(struct arena *a, struct str pattern, bool verbose, FILE *out)
{
	(void)a;
	(void)verbose;
	return list_units("profile", pattern, out);
}

const struct probe_kind probe_interval = {
	.name = "interval",
	.alias = "i",
	.form = "interval:UNIT:NUMBER (interval:s:1) or interval:DURATION (interval:100ms)",
	.type = BPF_PROG_TYPE_PERF_EVENT,
	.timer = true,
	.parse = parse_timer,
	.expand = expand_timer,
	.attach = attach_interval,
	.list = list_interval,
};

const struct probe_kind probe_profile = {
	.name = "profile",
	.alias = "p",
	.form = "profile:UNIT:NUMBER (profile:hz:99) or profile:DURATION (profile:1ms)",
	.type = BPF_PROG_TYPE_PERF_EVENT,
	.timer = true,
	.parse = parse_timer,
	.expand = expand_timer,
	.attach = attach_profile,
	.list = list_profile,
};
