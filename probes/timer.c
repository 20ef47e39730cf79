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
 * With -p, profile samples that process alone: cpu-clock then counts its threads' own CPU time.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

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

static void expand_timer(struct script *s, struct attach_point *ap, struct absence *absence)
{
	struct target *t;
	struct rate rate = { 0 };

	(void)absence;
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

static int attach_interval(int prog_fd, const struct prog *prog, const struct target *t,
			   struct links *links)
{
	struct perf_event_attr attr = clock_event(t);
	bool refused;
	int error = attach_perf(&attr, -1, first_cpu(links->arena), prog_fd, prog, t, links, &refused);

	return explain(error, refused, t, links);
}

static int attach_profile(int prog_fd, const struct prog *prog, const struct target *t,
			  struct links *links)
{
	struct perf_event_attr attr = clock_event(t);
	bool refused;
	int error = attach_sampler(&attr, links->pid, prog_fd, prog, t, links, &refused);

	return explain(error, refused, t, links);
}

/* ---- listing ---------------------------------------------------------------------------- */

static uint32_t list_units(const struct probe_kind *kind, struct arena *a, struct str pattern,
			   bool verbose, FILE *out)
{
	static const char *const units[] = { "hz:", "ms:", "s:", "us:" };
	uint32_t n = 0;

	(void)a;
	(void)verbose;
	for (size_t i = 0; i < LEN(units); i++)
		if (attach_listed(pattern, units[i]))
			n += fprintf(out, "%s:%s\n", kind->name, units[i]) > 0;
	return n;
}

const struct probe_kind probe_interval = {
	.name = "interval",
	.alias = "i",
	.unfiltered = true,
	.form = "interval:UNIT:NUMBER (interval:s:1) or interval:DURATION (interval:100ms)",
	.type = BPF_PROG_TYPE_PERF_EVENT,
	.own_filter = true,
	.parse = parse_timer,
	.expand = expand_timer,
	.attach = attach_interval,
	.list = list_units,
};

const struct probe_kind probe_profile = {
	.name = "profile",
	.alias = "p",
	.form = "profile:UNIT:NUMBER (profile:hz:99) or profile:DURATION (profile:1ms)",
	.type = BPF_PROG_TYPE_PERF_EVENT,
	.own_filter = true,
	.parse = parse_timer,
	.expand = expand_timer,
	.attach = attach_profile,
	.list = list_units,
};
