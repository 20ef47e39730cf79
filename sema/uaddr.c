// SPDX-License-Identifier: Apache-2.0
/*
 * uaddr("symbol"): where a variable or function of the probed program is, in the process that runs it.
 *
 * Programs and libraries are loaded wherever there is room, but in one piece: from the probe to the
 * symbol it is as far in memory as in the file's own addresses. So the program adds that distance to
 * the instruction pointer. Looking into the file takes time, and types are inferred again and
 * again: what was found is kept.
 */
#include "sema/script.h"

struct search {
	const struct target *target;
	struct str name;
	uint64_t symbol, probe;
	uint32_t size;
	bool has_symbol, has_probe;
};

static bool look_at(void *ctx, const struct elf_function *f)
{
	struct search *x = ctx;

	if (!x->has_symbol && str_eq(f->name, x->name)) {
		x->has_symbol = true;
		x->symbol = f->address;
		x->size = (uint32_t)f->size;
	}
	return true;
}

/* The address of the place where the probe is, by the function that holds it. */
static bool look_for_probe(void *ctx, const struct elf_function *f)
{
	struct search *x = ctx;

	if (x->target->number - f->offset < f->size || x->target->number == f->offset) {
		x->has_probe = true;
		x->probe = f->address + (x->target->number - f->offset);
	}
	return look_at(ctx, f);
}

static struct uaddr *search_file(struct script *s, const struct target *t, struct str name)
{
	struct uaddr *u = arena_alloc(&s->work, sizeof *u);
	struct search x = { .target = t, .name = name };
	const char *why;
	struct elf *elf = elf_open(&s->work, t->group, &why);

	if (elf) {
		elf_objects(elf, look_at, &x);
		elf_functions(elf, look_for_probe, &x);
		elf_close(elf);
	}
	u->found = x.has_symbol && x.has_probe;
	u->distance = (int64_t)(x.symbol - x.probe);
	u->size = x.size;
	return u;
}

const struct uaddr *uaddr_find(struct script *s, const struct target *t, struct str name)
{
	struct str key = str_of(arena_printf(&s->work, "%s %llx %.*s", t->group, (unsigned long long)t->number,
					     STR_ARG(name)));
	struct uaddr *u = table_get(&s->uaddrs, key);

	if (u)
		return u;
	u = search_file(s, t, name);
	table_set(&s->work, &s->uaddrs, key, u);
	return u;
}

const struct type *uaddr_type(struct script *s, const struct probe *p, struct str name)
{
	const struct attach_point *ap = p->points.n ? &p->points.v[0] : NULL;
	uint32_t size = 8;

	if (ap && ap->kind->provides & IS_USER && ap->targets.n)
		size = uaddr_find(s, &ap->targets.v[0], name)->size;
	return type_pointer(&s->types, type_int(size == 1 || size == 2 || size == 4 ? size : 8, false),
			    SPACE_USER);
}
