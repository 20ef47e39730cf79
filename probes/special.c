// SPDX-License-Identifier: Apache-2.0
/*
 * begin and end: what runs once before tracing starts and once after it stopped.
 *
 * Nothing in the kernel is behind them. The runtime runs their programs itself, through
 * BPF_PROG_TEST_RUN; raw tracepoints are the program type that allows this (since Linux 5.10) and
 * that has the helpers of tracing. In begin, pid and comm are therefore xbt's own.
 */
#include "sema/script.h"

static bool parse_special(struct script *s, struct attach_point *ap)
{
	return ap->nparts ? attach_malformed(s, ap) : true;
}

static void expand_special(struct script *s, struct attach_point *ap, const char **why,
			   const char **hint)
{
	struct target *t = attach_target(s, ap, "%s", "");

	(void)why;
	(void)hint;
	t->text = ap->kind->name;
}

static uint32_t list_begin(struct arena *a, struct str pattern, bool verbose, FILE *out)
{
	(void)a;
	(void)verbose;
	return attach_listed(pattern, "") && fputs("begin\n", out) >= 0;
}

static uint32_t list_end(struct arena *a, struct str pattern, bool verbose, FILE *out)
{
	(void)a;
	(void)verbose;
	return attach_listed(pattern, "") && fputs("end\n", out) >= 0;
}

const struct probe_kind probe_begin = {
	.name = "begin",
	.form = "BEGIN",
	.type = BPF_PROG_TYPE_RAW_TRACEPOINT,
	.provides = IS_SPECIAL,
	.parse = parse_special,
	.expand = expand_special,
	.list = list_begin,
};

const struct probe_kind probe_end = {
	.name = "end",
	.form = "END",
	.type = BPF_PROG_TYPE_RAW_TRACEPOINT,
	.provides = IS_SPECIAL,
	.parse = parse_special,
	.expand = expand_special,
	.list = list_end,
};
