// SPDX-License-Identifier: Apache-2.0
/*
 * begin and end: what runs once before tracing starts and once after it stopped; self: what runs
 * each time that xbt gets a signal.
 *
 * Nothing in the kernel is behind them. The runtime runs their programs itself, through
 * BPF_PROG_TEST_RUN; raw tracepoints are the program type that allows this (since Linux 5.10) and
 * that has the helpers of tracing. pid and comm are therefore xbt's own.
 */
#include "sema/script.h"

static bool parse_special(struct script *s, struct attach_point *ap)
{
	return ap->nparts ? attach_malformed(s, ap) : true;
}

static void expand_special(struct script *s, struct attach_point *ap, struct absence *absence)
{
	struct target *t = attach_target(s, ap, "%s", "");

	(void)absence;
	t->text = ap->kind->name;
}

static uint32_t list_special(const struct probe_kind *kind, struct arena *a, struct str pattern,
			     bool verbose, FILE *out)
{
	(void)a;
	(void)verbose;
	return attach_listed(pattern, "") && fprintf(out, "%s\n", kind->name) > 0;
}

const struct probe_kind probe_begin = {
	.name = "begin",
	.form = "BEGIN",
	.type = BPF_PROG_TYPE_RAW_TRACEPOINT,
	.provides = IS_SPECIAL,
	.once = true,
	.parse = parse_special,
	.expand = expand_special,
	.list = list_special,
};

const struct probe_kind probe_end = {
	.name = "end",
	.form = "END",
	.type = BPF_PROG_TYPE_RAW_TRACEPOINT,
	.provides = IS_SPECIAL,
	.once = true,
	.parse = parse_special,
	.expand = expand_special,
	.list = list_special,
};

/* ---- self: a signal to xbt itself ------------------------------------------------------- */

static bool parse_self(struct script *s, struct attach_point *ap)
{
	uint32_t e;

	if (ap->nparts != 2 || !str_is(ap->part[0], "signal"))
		return attach_malformed(s, ap);
	if (str_is(ap->part[1], "SIGUSR1"))
		return true;
	e = diag_error(&s->diag, attach_span(ap, ap->part[1]), "self-signal",
		       "xbt does not listen for the signal '%.*s'", STR_ARG(ap->part[1]));
	diag_hint(&s->diag, e, "SIGUSR1 is the one that a script can have");
	return false;
}

static void expand_self(struct script *s, struct attach_point *ap, struct absence *absence)
{
	(void)absence;
	attach_target(s, ap, "%.*s:%.*s", STR_ARG(ap->part[0]), STR_ARG(ap->part[1]));
}

static uint32_t list_self(const struct probe_kind *kind, struct arena *a, struct str pattern,
			  bool verbose, FILE *out)
{
	(void)a;
	(void)verbose;
	return attach_listed(pattern, "signal:SIGUSR1") &&
	       fprintf(out, "%s:signal:SIGUSR1\n", kind->name) > 0;
}

const struct probe_kind probe_self = {
	.name = "self",
	.form = "self:signal:SIGUSR1",
	.type = BPF_PROG_TYPE_RAW_TRACEPOINT,
	.provides = IS_SPECIAL,
	.parse = parse_self,
	.expand = expand_self,
	.list = list_self,
};
