// SPDX-License-Identifier: Apache-2.0
/*
 * watchpoint: memory that is read, written or executed, by the processor's debug registers.
 *
 *	watchpoint:0xffffffff82a01234:8:w	an address of the kernel, whoever writes there
 *	watchpoint:0x404040:4:rw		with -p or -c: an address of that process
 *
 * Processors have four such registers or so. A target has the address, the number of bytes and, as
 * its name, the mode.
 */
#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <string.h>

#include "lexer/lexer.h"
#include "sema/script.h"

static const struct mode {
	const char *name;
	uint32_t type;
} modes[] = {
	{ "w", HW_BREAKPOINT_W },
	{ "rw", HW_BREAKPOINT_RW },
	{ "x", HW_BREAKPOINT_X },
};

static const struct mode *find_mode(struct str name)
{
	for (size_t i = 0; i < LEN(modes); i++)
		if (str_is(name, modes[i].name))
			return &modes[i];
	return NULL;
}

/* ---- compiling -------------------------------------------------------------------------- */

static bool bad_part(struct script *s, const struct attach_point *ap, struct str part,
		     const char *what, const char *hint)
{
	uint32_t e = diag_error(&s->diag, attach_span(ap, part), "watch", "'%.*s' is not %s",
				STR_ARG(part), what);

	diag_hint(&s->diag, e, "%s", hint);
	return false;
}

static bool is_length(uint64_t n)
{
	return n == 1 || n == 2 || n == 4 || n == 8;
}

static bool parse_watch(struct script *s, struct attach_point *ap)
{
	uint64_t address, length;
	const char *error;

	if (ap->nparts != 3)
		return attach_malformed(s, ap);
	if (!number_parse(ap->part[0], &address, &error))
		return bad_part(s, ap, ap->part[0], "an address",
				"bpftrace no longer watches function arguments either; "
				"xbt takes a number, as 0xffffffff82a01234");
	if (!number_parse(ap->part[1], &length, &error) || !is_length(length))
		return bad_part(s, ap, ap->part[1], "a length to watch",
				"the lengths are 1, 2, 4 and 8 bytes");
	if (!find_mode(ap->part[2]))
		return bad_part(s, ap, ap->part[2], "a way to watch",
				"w: written, rw: read or written, x: executed");
	if (address % length && !str_is(ap->part[2], "x"))
		return bad_part(s, ap, ap->part[0], "a multiple of the length",
				"the processor watches aligned memory only");
	return true;
}

static void expand_watch(struct script *s, struct attach_point *ap, struct absence *absence)
{
	struct target *t = attach_target(s, ap, "%.*s:%.*s:%.*s", STR_ARG(ap->part[0]),
					 STR_ARG(ap->part[1]), STR_ARG(ap->part[2]));
	const char *error;

	(void)absence;
	t->name = find_mode(ap->part[2])->name;
	number_parse(ap->part[0], &t->address, &error);
	number_parse(ap->part[1], &t->number, &error);
}

/* ---- attaching -------------------------------------------------------------------------- */

static const char *refusal(struct arena *a, const struct target *t, int error)
{
	switch (error) {
	case ENOSPC:
	case EBUSY:
		return "all debug registers of the processor are in use";
	case ENOENT:
	case ENODEV:
	case EOPNOTSUPP:
		return "this machine or its kernel has no watchpoints";
	case EINVAL:
		return arena_printf(a, "the processor can't watch %llu bytes there in mode %s",
				    (unsigned long long)t->number, t->name);
	default:
		return NULL;
	}
}

/* What is executed has no length: the processor wants it said so. */
static int attach_watch(int prog_fd, const struct prog *prog, const struct target *t,
			struct links *links)
{
	uint32_t type = find_mode(str_of(t->name))->type;
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.sample_period = 1,
		.bp_type = type,
		.bp_addr = t->address,
		.bp_len = type == HW_BREAKPOINT_X ? sizeof(long) : t->number,
	};
	pid_t pid = links->pid > 0 ? links->pid : links->child;
	bool refused;
	int error = attach_sampler(&attr, pid, prog_fd, prog, t, links, &refused);

	if (error && refused && !links->why)
		links->why = refusal(links->arena, t, -error);
	return error;
}

/* ---- listing ---------------------------------------------------------------------------- */

const struct probe_kind probe_watchpoint = {
	.name = "watchpoint",
	.alias = "w",
	.form = "watchpoint:ADDRESS:LENGTH:MODE (watchpoint:0x10000000:8:w)",
	.type = BPF_PROG_TYPE_PERF_EVENT,
	.own_filter = true,
	.parse = parse_watch,
	.expand = expand_watch,
	.attach = attach_watch,
};
