// SPDX-License-Identifier: Apache-2.0
/*
 * What a kernel function's name stands for: the symbols of that name, and those that the compiler made of
 * the function. A copy for constant or dropped arguments (.constprop, .isra) stands in for it where it is
 * called; a fragment (.part) is part of it, and matters where nothing else is left; what is cold is never
 * the function.
 *
 * kallsyms has them all. Who only wants to know whether there are any (--check) asks the kernel for each by
 * its name, which is faster: gcc numbers copies from 0. Entry and return are mostly probed together, so
 * what was found is kept.
 */
#include <string.h>

#include "sema/script.h"
#include "target/target.h"

struct lookup {
	struct arena *arena;
	struct str module, function;
	struct copies *found;
};

static bool has_suffix(struct str suffix, const char *kind)
{
	return memmem(suffix.s, suffix.len, kind, strlen(kind)) != NULL;
}

static void keep(struct lookup *l, const struct ksym *sym, bool fragment)
{
	struct ksym *to = fragment ? vec_push(l->arena, &l->found->fragments)
				   : vec_push(l->arena, &l->found->functions);

	*to = *sym;
	to->name = str_of(str_dup(l->arena, sym->name));
	to->module = str_of(str_dup(l->arena, sym->module));
}

/* The symbol is of that name, or made of it. */
static bool look_at(void *ctx, const struct ksym *sym)
{
	struct lookup *l = ctx;
	uint32_t len = l->function.len;
	struct str suffix = { sym->name.s + len, sym->name.len - len };
	bool fragment = has_suffix(suffix, ".part");

	if (!ksym_is_function(sym) || !attach_in_module(l->module, sym->module) ||
	    has_suffix(suffix, ".cold"))
		return true;
	if (fragment || !suffix.len || has_suffix(suffix, ".constprop") || has_suffix(suffix, ".isra"))
		keep(l, sym, fragment);
	return true;
}

/* What the kernel is asked for: where its code and it itself end, and the names of functions and copies. */
enum { TEXT_END, IMAGE_END, COPIES };

static const char *const wanted[] = {
	[TEXT_END] = "_etext", [IMAGE_END] = "_end",
	[COPIES] = "%.*s", "%.*s.isra.0", "%.*s.constprop.0", "%.*s.part.0",
	"%.*s.constprop.0.isra.0", "%.*s.isra.0.constprop.0", "%.*s.part.0.isra.0", "%.*s.part.0.constprop.0",
};

/* The kernel doesn't say what a symbol is of. It is code up to the kernel's last instruction, and in modules,
 * where hardly anything else has a name that somebody would probe. False: only kallsyms can tell. */
static bool is_code(uint64_t address, const uint64_t *is_at)
{
	bool in_kernel = (int64_t)address < 0;

	return in_kernel && (address < is_at[TEXT_END] || address >= is_at[IMAGE_END]);
}

/* Of more functions than that kallsyms, read once, tells faster. */
enum { ASKED_MAX = 32 };

static bool ask(struct lookup *l)
{
	const char *name[LEN(wanted)];
	uint64_t is_at[LEN(wanted)];

	for (size_t i = 0; i < LEN(wanted); i++)
		name[i] = i < COPIES ? wanted[i]
				     : arena_printf(l->arena, wanted[i], STR_ARG(l->function));
	if (!ksym_ask(name, LEN(wanted), is_at))
		return false;
	for (size_t i = COPIES; i < LEN(wanted); i++)
		if (is_at[i] && !is_code(is_at[i], is_at))
			return false;
	for (size_t i = COPIES; i < LEN(wanted); i++)
		if (is_at[i])
			look_at(l, &(struct ksym){ is_at[i], 't', str_of(name[i]), STR("") });
	return true;
}

bool copies_pattern(struct str pattern, struct str *function)
{
	static const char *const kinds[] = { ".constprop", ".isra", ".part" };
	const char *dot = memchr(pattern.s, '.', pattern.len);
	struct str suffix;

	if (!dot)
		return false;
	*function = (struct str){ pattern.s, (uint32_t)(dot - pattern.s) };
	suffix = (struct str){ dot, pattern.len - function->len };
	for (size_t i = 0; i < LEN(kinds); i++)
		if (str_starts(suffix, kinds[i]))
			return function->len && !glob_has(*function);
	return false;
}

const struct copies *copies_find(struct script *s, struct str module, struct str function, bool addresses)
{
	struct str key = str_of(arena_printf(&s->arena, "%d:%.*s:%.*s", addresses, STR_ARG(module),
					     STR_ARG(function)));
	struct lookup l = { &s->arena, module, function, table_get(&s->copies, key) };

	if (l.found)
		return l.found;
	l.found = arena_alloc(&s->arena, sizeof *l.found);
	if ((addresses || module.len || s->copies.n >= ASKED_MAX || !ask(&l)) &&
	    !ksyms_named(script_ksyms(s), function, look_at, &l))
		return NULL;
	table_set(&s->arena, &s->copies, key, l.found);
	return l.found;
}
