// SPDX-License-Identifier: Apache-2.0
/*
 * What BTF knows of functions, for listings: which there are, and what they take and return. An index
 * of all names is made first: one look at each would take seconds. Modules' are read when asked for.
 */
#include <linux/btf.h>
#include <stdlib.h>

#include "probes/probe.h"
#include "target/target.h"

struct btf_index {
	struct arena *arena;
	struct btf_file *btf;
	struct table functions; /* name -> id */
	struct table modules;   /* name -> struct btf_index */
};

static bool note_function(void *ctx, uint32_t id, struct str name)
{
	struct btf_index *x = ctx;

	table_set(x->arena, &x->functions, name, (void *)(uintptr_t)id);
	return true;
}

static struct btf_index *read_index(struct arena *a, const char *name, const struct btf_file *base)
{
	struct btf_index *x = arena_alloc(a, sizeof *x);
	const char *path = arena_printf(a, BTF_FOLDER "/%s", name), *why;

	x->arena = a;
	x->btf = btf_read(a, target_path(a, path), base, &why);
	if (x->btf)
		btf_each(x->btf, 1u << BTF_KIND_FUNC, note_function, x);
	return x;
}

struct btf_index *btf_index_open(struct arena *a)
{
	return read_index(a, "vmlinux", NULL);
}

struct btf_index *btf_index_module(struct btf_index *x, const char *module)
{
	struct str name = str_of(module);
	struct btf_index *found;

	if (!*module || !x->btf)
		return x;
	found = table_get(&x->modules, name);
	if (!found) {
		found = read_index(x->arena, module, x->btf);
		table_set(x->arena, &x->modules, str_of(str_dup(x->arena, name)), found);
	}
	return found;
}

bool btf_index_has(const struct btf_index *x, struct str function)
{
	return table_get(&x->functions, function) != NULL;
}

static void print_line(struct arena *a, const struct btf_file *btf, uint32_t type, struct str name, FILE *out)
{
	fprintf(out, "    %s\n", btf_declaration(a, btf, type, name));
}

void btf_print_arguments(struct arena *a, const struct btf_file *btf, uint32_t id, uint32_t first,
			 bool retval, FILE *out)
{
	const struct btf_type *proto = btf_record(btf, btf_record(btf, id)->type);
	const struct btf_param *param = (const struct btf_param *)(proto + 1);

	if (btf_record_kind(proto) != BTF_KIND_FUNC_PROTO)
		return;
	for (uint32_t i = first; i < btf_record_members(proto) && param[i].type; i++)
		print_line(a, btf, param[i].type, btf_name(btf, param[i].name_off), out);
	if (retval && proto->type)
		print_line(a, btf, proto->type, STR("retval"), out);
}

void btf_index_arguments(const struct btf_index *x, struct str function, uint32_t first, bool retval,
			 FILE *out)
{
	uint32_t id = (uint32_t)(uintptr_t)table_get(&x->functions, function);

	if (id)
		btf_print_arguments(x->arena, x->btf, id, first, retval, out);
}

void btf_index_fields(const struct btf_index *x, struct str tag, FILE *out)
{
	uint32_t id = x->btf ? btf_find(x->btf, tag, 1u << BTF_KIND_STRUCT) : 0;
	const struct btf_type *t = id ? btf_record(x->btf, id) : NULL;
	const struct btf_member *member = (const struct btf_member *)(t + 1);

	for (uint32_t i = 0; t && i < btf_record_members(t); i++) {
		const struct btf_type *of = btf_record(x->btf, member[i].type);
		const struct btf_member *inner = (const struct btf_member *)(of + 1);

		/* Pointers stand in unions that give them 8 bytes everywhere. */
		if (btf_record_kind(of) == BTF_KIND_UNION && btf_record_members(of))
			print_line(x->arena, x->btf, inner->type, btf_name(x->btf, inner->name_off), out);
		else
			print_line(x->arena, x->btf, member[i].type, btf_name(x->btf, member[i].name_off), out);
	}
}
