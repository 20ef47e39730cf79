// SPDX-License-Identifier: Apache-2.0
/*
 * software and hardware: programs that run each time a counter of perf's went so far.
 *
 *	software:page-faults:100  software:faults  hardware:cache-misses:1000000
 *
 * Software events are the kernel's own counts; hardware events are the processor's, and many
 * virtual machines have none. Without a count each event has one that keeps the load small. A
 * target's number is the period. With -p one process is counted.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "codegen/image.h"
#include "lexer/lexer.h"
#include "sema/script.h"

const struct probe_kind probe_software, probe_hardware;

struct counter {
	const char *name, *alias;
	uint32_t config;
	uint32_t period; /* if none is given */
};

static const struct counter software[] = {
	{ "alignment-faults", NULL, PERF_COUNT_SW_ALIGNMENT_FAULTS, 1 },
	{ "bpf-output", NULL, PERF_COUNT_SW_BPF_OUTPUT, 1 },
	{ "context-switches", "cs", PERF_COUNT_SW_CONTEXT_SWITCHES, 1000 },
	{ "cpu-clock", "cpu", PERF_COUNT_SW_CPU_CLOCK, 1000000 },
	{ "cpu-migrations", NULL, PERF_COUNT_SW_CPU_MIGRATIONS, 1 },
	{ "dummy", NULL, PERF_COUNT_SW_DUMMY, 1 },
	{ "emulation-faults", NULL, PERF_COUNT_SW_EMULATION_FAULTS, 1 },
	{ "major-faults", NULL, PERF_COUNT_SW_PAGE_FAULTS_MAJ, 1 },
	{ "minor-faults", NULL, PERF_COUNT_SW_PAGE_FAULTS_MIN, 100 },
	{ "page-faults", "faults", PERF_COUNT_SW_PAGE_FAULTS, 100 },
	{ "task-clock", NULL, PERF_COUNT_SW_TASK_CLOCK, 1 },
};

static const struct counter hardware[] = {
	{ "backend-stalls", NULL, PERF_COUNT_HW_STALLED_CYCLES_BACKEND, 1000000 },
	{ "branch-instructions", "branches", PERF_COUNT_HW_BRANCH_INSTRUCTIONS, 100000 },
	{ "branch-misses", NULL, PERF_COUNT_HW_BRANCH_MISSES, 100000 },
	{ "bus-cycles", NULL, PERF_COUNT_HW_BUS_CYCLES, 100000 },
	{ "cache-misses", NULL, PERF_COUNT_HW_CACHE_MISSES, 1000000 },
	{ "cache-references", NULL, PERF_COUNT_HW_CACHE_REFERENCES, 1000000 },
	{ "cpu-cycles", "cycles", PERF_COUNT_HW_CPU_CYCLES, 1000000 },
	{ "frontend-stalls", NULL, PERF_COUNT_HW_STALLED_CYCLES_FRONTEND, 1000000 },
	{ "instructions", NULL, PERF_COUNT_HW_INSTRUCTIONS, 1000000 },
	{ "ref-cycles", NULL, PERF_COUNT_HW_REF_CPU_CYCLES, 1000000 },
};

struct counters {
	const struct counter *list;
	uint32_t n, type;
};

static struct counters counters_of(const struct probe_kind *kind)
{
	if (kind == &probe_software)
		return (struct counters){ software, LEN(software), PERF_TYPE_SOFTWARE };
	return (struct counters){ hardware, LEN(hardware), PERF_TYPE_HARDWARE };
}

/* ---- compiling -------------------------------------------------------------------------- */

static const struct counter *find_counter(struct counters all, struct str name)
{
	for (uint32_t i = 0; i < all.n; i++)
		if (str_is(name, all.list[i].name) ||
		    (all.list[i].alias && str_is(name, all.list[i].alias)))
			return &all.list[i];
	return NULL;
}

static bool unknown_counter(struct script *s, const struct attach_point *ap, struct counters all)
{
	struct near near = { .wanted = ap->part[0] };
	uint32_t e = diag_error(&s->diag, attach_span(ap, ap->part[0]), "counter",
				"there is no %s event '%.*s'", ap->kind->name, STR_ARG(ap->part[0]));

	for (uint32_t i = 0; i < all.n; i++)
		str_near(&near, str_of(all.list[i].name));
	if (near.best.len)
		diag_hint(&s->diag, e, "did you mean '%.*s'?", STR_ARG(near.best));
	else
		diag_hint(&s->diag, e, "xbt -l '%s:*' lists them", ap->kind->name);
	return false;
}

/* No number, or an empty one: the event's own. */
static bool read_period(const struct attach_point *ap, uint64_t *period)
{
	const char *error;

	*period = find_counter(counters_of(ap->kind), ap->part[0])->period;
	return ap->nparts == 1 || !ap->part[1].len ||
	       (number_parse(ap->part[1], period, &error) && *period && *period <= INT64_MAX);
}

static bool parse_counter(struct script *s, struct attach_point *ap)
{
	struct counters all = counters_of(ap->kind);
	uint64_t period;

	if (ap->nparts != 1 && ap->nparts != 2)
		return attach_malformed(s, ap);
	if (!find_counter(all, ap->part[0]))
		return unknown_counter(s, ap, all);
	if (read_period(ap, &period))
		return true;
	diag_error(&s->diag, attach_span(ap, ap->part[1]), "counter-number",
		   "'%.*s' is not a number of events to count", STR_ARG(ap->part[1]));
	return false;
}

static void expand_counter(struct script *s, struct attach_point *ap, struct absence *absence)
{
	struct target *t = attach_target(s, ap, "%.*s%s%.*s", STR_ARG(ap->part[0]),
					 ap->nparts == 2 ? ":" : "", STR_ARG(ap->part[1]));

	(void)absence;
	t->name = find_counter(counters_of(ap->kind), ap->part[0])->name;
	read_period(ap, &t->number);
}

/* ---- attaching -------------------------------------------------------------------------- */

static const char *refusal(struct arena *a, const struct target *t, int error)
{
	switch (error) {
	case ENOENT:
	case EOPNOTSUPP:
	case ENODEV:
		return "this machine has no such counter (virtual machines often have none)";
	case EINVAL:
		return "the kernel does not count this event here";
	case ENOSPC:
	case EBUSY:
		return "all counters of the processor are in use";
	default:
		return arena_printf(a, "the kernel does not open the event '%s': %s", t->name,
				    strerror(error));
	}
}

static int attach_counter(int prog_fd, const struct prog *prog, const struct target *t,
			  struct links *links)
{
	struct counters all = counters_of(prog->kind);
	struct perf_event_attr attr = {
		.type = all.type,
		.config = find_counter(all, str_of(t->name))->config,
		.sample_period = t->number,
	};
	bool refused;
	int error = attach_sampler(&attr, links->pid, prog_fd, prog, t, links, &refused);

	if (error && refused && !links->why)
		links->why = refusal(links->arena, t, -error);
	return error;
}

/* ---- listing ---------------------------------------------------------------------------- */

static uint32_t list_counters(const struct probe_kind *kind, struct arena *a, struct str pattern,
			      bool verbose, FILE *out)
{
	struct counters all = counters_of(kind);
	uint32_t n = 0;

	(void)verbose;
	for (uint32_t i = 0; i < all.n; i++) {
		const char *name = arena_printf(a, "%s:", all.list[i].name);

		if (attach_listed(pattern, name) || attach_listed(pattern, all.list[i].name))
			n += fprintf(out, "%s:%s\n", kind->name, name) > 0;
	}
	return n;
}

const struct probe_kind probe_software = {
	.name = "software",
	.alias = "s",
	.form = "software:EVENT or software:EVENT:COUNT",
	.type = BPF_PROG_TYPE_PERF_EVENT,
	.own_filter = true,
	.parse = parse_counter,
	.expand = expand_counter,
	.attach = attach_counter,
	.list = list_counters,
};

const struct probe_kind probe_hardware = {
	.name = "hardware",
	.alias = "h",
	.form = "hardware:EVENT or hardware:EVENT:COUNT",
	.type = BPF_PROG_TYPE_PERF_EVENT,
	.own_filter = true,
	.parse = parse_counter,
	.expand = expand_counter,
	.attach = attach_counter,
	.list = list_counters,
};
