// SPDX-License-Identifier: Apache-2.0
/*
 * The table of builtins, made from builtins.def, and the reading of its parameter lists.
 */
#include "sema/script.h"

#include <string.h>

#include "target/target.h"

const struct builtin builtins[BUILTINS] = {
#define BUILTIN(id, form, result, params, effect, doc)                                             \
	[B_##id] = { #id, B_##id, FORM_##form, result, params, EFFECT_##effect, doc },
#include "sema/builtins.def"
#undef BUILTIN
};

static const char *const param_names[PARAM_KINDS] = {
	[P_INT] = "int",     [P_ADDR] = "addr", [P_TEXT] = "text",       [P_LITERAL] = "literal",
	[P_CONST] = "const", [P_MAP] = "map",   [P_ELEMENT] = "element", [P_ANY] = "any",
};

/* sarg0 was the first one on the stack. */
int builtin_argn(struct str name)
{
	bool stack = str_starts(name, "sarg");
	struct str digits = { name.s + 3 + stack, name.len - 3 - stack };
	uint64_t n;

	if (name.len < 4u + stack || name.len > 6u + stack || !(stack || str_starts(name, "arg")) ||
	    (digits.len > 1 && digits.s[0] == '0') || !str_to_u64(digits, &n))
		return -1;
	return (int)(n + (stack ? arch_host()->nargs : 0));
}

/* What bpftrace called them until 2019. */
static const struct { const char *name; enum builtin_id id; } old_names[] = {
	{ "stack", B_kstack },
	{ "sym", B_ksym },
};

const struct builtin *builtin_find(struct str name)
{
	if (builtin_argn(name) >= 0)
		return &builtins[B_argn];
	for (size_t i = 0; i < LEN(old_names); i++)
		if (str_is(name, old_names[i].name))
			return &builtins[old_names[i].id];
	for (size_t i = 0; i < BUILTINS; i++)
		if (i != B_argn && str_is(name, builtins[i].name))
			return &builtins[i];
	return NULL;
}

bool builtin_param(const struct builtin *fn, uint32_t i, enum param_kind *kind, bool *optional)
{
	const char *p = fn->params;
	size_t n;

	for (; i && *p; i--) {
		if (!strcmp(p, "..."))
			break;
		p += strcspn(p, ",");
		p += strspn(p, ", ");
	}
	if (!*p)
		return false;
	*optional = *p == '?' || *p == '.';
	*kind = P_ANY;
	p += *p == '?';
	n = strcspn(p, ",");
	for (uint32_t k = 0; k < PARAM_KINDS; k++)
		if (param_names[k] && strlen(param_names[k]) == n && !strncmp(p, param_names[k], n))
			*kind = (enum param_kind)k;
	if (memchr(p, '|', n))
		*kind = P_WORD;
	return true;
}

int builtin_word(const struct builtin *fn, const struct node *arg)
{
	const char *p = fn->params + strspn(fn->params, "?");

	for (int i = 0; arg && arg->kind == N_NAME && *p; i++) {
		size_t n = strcspn(p, "|,");

		if (arg->name.name.len == n && !strncmp(p, arg->name.name.s, n))
			return i;
		p += n + (p[n] == '|');
	}
	return -1;
}

void builtins_list(FILE *out)
{
	for (size_t i = 0; i < BUILTINS; i++) {
		const struct builtin *b = &builtins[i];
		char usage[80];

		if (b->form == FORM_VAR)
			snprintf(usage, sizeof usage, "%s", b->name);
		else
			snprintf(usage, sizeof usage, "%s(%s)", b->name, b->params);
		fprintf(out, "%-36s %s\n", usage, b->doc);
	}
}
