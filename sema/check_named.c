// SPDX-License-Identifier: Apache-2.0
/*
 * Named parameters (xbt script.bt -- --name=value) that no getopt() of the script asks for: a typo in one
 * would otherwise have no effect but that the script runs with its own value.
 */
#include "sema/check.h"

#include <string.h>

struct asked {
	struct script *s;
	bool *named;            /* by place in s->named: some getopt() wants it */
	const char *names;      /* of all getopt()s, for the hint */
};

static struct str name_of(const char *param)
{
	return (struct str){ param + 2, (uint32_t)strcspn(param + 2, "=") };
}

static void find_getopt(struct node *n, void *ctx)
{
	struct asked *k = ctx;
	struct str name;

	ast_children(n, find_getopt, ctx);
	if (n->kind != N_CALL || !n->call.fn || n->call.fn->id != B_getopt ||
	    !literal_text(k->s, n->call.args, &name))
		return;
	k->names = arena_printf(&k->s->work, "%s%s--%.*s", k->names, *k->names ? ", " : "", STR_ARG(name));
	for (uint32_t i = 0; i < k->s->named_n; i++)
		k->named[i] |= str_eq(name_of(k->s->named[i]), name);
}

void check_named(struct script *s)
{
	struct asked k = { s, arena_alloc(&s->work, s->named_n + 1), "" };
	uint32_t e;

	if (!s->named_n)
		return;
	for (uint32_t i = 0; i < s->probes.n; i++)
		find_getopt(s->probes.v[i]->node, &k);
	for (uint32_t i = 0; i < s->named_n; i++) {
		if (k.named[i])
			continue;
		e = diag_error(&s->diag, (struct span){ 0, 0 }, "named-param", "the script knows no parameter '--%.*s'",
			       STR_ARG(name_of(s->named[i])));
		diag_hint(&s->diag, e, *k.names ? "it knows %s" : "getopt() asks for such%s", k.names);
	}
}
