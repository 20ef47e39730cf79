// SPDX-License-Identifier: Apache-2.0
/*
 * The stages from a script's text to what codegen needs, in order.
 *
 * A script's errors are told together: a stage goes on with what the ones before it left sound. What a
 * later stage finds where an earlier one has found an error already follows from that, and is dropped.
 */
#include "sema/script.h"

#include <string.h>

const struct stage front_stages[] = {
	{ "ast", parse },        /* source text -> s->program */
	{ "macros", macros },    /* calls of macros -> their bodies */
	{ "config", configure }, /* settings and map declarations */
	{ "expand", expand },    /* attach points -> probes and targets */
	{ "names", resolve },    /* identifiers -> builtins, maps, variables */
	{ "types", infer },      /* types of expressions, variables and maps */
	{ "check", check },      /* every remaining rule that a script can break */
	{ "plan", plan },        /* storage of maps; constant tables */
};
const uint32_t front_stage_count = LEN(front_stages);

/* With these the errors are complete: what is planned has none. */
static bool is_last_to_report(const struct stage *stage)
{
	return stage->run == check || stage->run == plan;
}

bool front(struct script *s, const char *last, void (*ran)(struct script *, const char *stage, void *ctx),
	   void *ctx, FILE *err)
{
	uint32_t sound = 0; /* how many diagnostics the stages before this one made */

	for (uint32_t i = 0; i < front_stage_count; i++) {
		const struct stage *stage = &front_stages[i];
		bool end = !strcmp(stage->name, last);

		/* What has no type, and what is wrong about types, is found by two stages as one. */
		if (stage->run != check)
			sound = s->diag.list.n;
		stage->run(s);
		if (stage->run != infer)
			diag_drop_consequences(&s->diag, sound);
		ran(s, stage->name, ctx);
		if (end || (s->diag.nerror && (s->hopeless || is_last_to_report(stage))))
			break;
	}
	diag_print(&s->diag, err);
	return !s->diag.nerror;
}
