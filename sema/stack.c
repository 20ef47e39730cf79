// SPDX-License-Identifier: Apache-2.0
/*
 * kstack and ustack: kstack, kstack(depth), kstack(mode), kstack(mode, depth).
 *
 * A mode is a word, not a value: resolve.c makes it a literal string. The type of a stack says whose it
 * is, how deep it can be and how it prints; what else there is to know is in its slot (types.h).
 */
#include "sema/check.h"

static const char *const mode_names[STACK_MODES] = {
	[STACK_BPFTRACE] = "bpftrace",
	[STACK_PERF] = "perf",
	[STACK_RAW] = "raw",
	[STACK_BUILD_ID] = "build_id",
};

static bool mode_of(struct str name, enum stack_mode *mode)
{
	for (uint32_t i = 0; i < STACK_MODES; i++)
		if (str_is(name, mode_names[i])) {
			*mode = (enum stack_mode)i;
			return true;
		}
	return false;
}

static bool is_mode(const struct node *arg)
{
	return arg && arg->kind == N_STRING;
}

const struct type *stack_type(struct script *s, const struct node *call)
{
	const struct node *depth = call->call.args;
	enum stack_mode mode = (enum stack_mode)s->config.stack_mode;
	enum space space = call->call.fn->id == B_ustack ? SPACE_USER : SPACE_KERNEL;
	int64_t n = STACK_DEPTH_MAX;

	if (space == SPACE_KERNEL && mode == STACK_BUILD_ID)
		mode = STACK_BPFTRACE;
	if (is_mode(depth)) {
		mode_of(depth->str, &mode);
		depth = depth->next;
	}
	if (depth)
		const_value(s, depth, &n);
	return type_stack(&s->types, space, mode,
			  n < 0 ? 0 : n < STACK_DEPTH_MAX ? (uint32_t)n : STACK_DEPTH_MAX);
}

void check_stack(struct checker *c, struct node *n)
{
	struct node *mode = n->call.args, *depth = is_mode(mode) ? mode->next : mode;
	enum stack_mode known = STACK_BPFTRACE;
	int64_t v;

	if (is_mode(mode) && !mode_of(mode->str, &known))
		diag_hint(&c->s->diag,
			  FAIL(c, mode, "stack-mode", "'%.*s' is no mode of stacks", STR_ARG(mode->str)),
			  "there are bpftrace, perf, raw and build_id");
	else if (known == STACK_BUILD_ID && n->call.fn->id == B_kstack)
		FAIL(c, mode, "stack-mode", "the kernel's frames have no build ids: that is for ustack()");
	if (!depth)
		return;
	if (!const_value(c->s, depth, &v))
		FAIL(c, depth, "stack-depth", "the depth of %s() must be a constant integer",
		     n->call.fn->name);
	else if (v < 0)
		FAIL(c, depth, "stack-depth", "%s() can't have a negative depth", n->call.fn->name);
	else if (depth->next)
		diag_hint(&c->s->diag, FAIL(c, depth->next, "stack-depth", "the depth is the last argument"),
			  "%s(perf, %lld)", n->call.fn->name, (long long)v);
}
