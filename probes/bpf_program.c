// SPDX-License-Identifier: Apache-2.0
/*
 * The BPF programs that are loaded, as targets of fentry and fexit: their functions by the names and
 * types that each program's own BTF has. A program without BTF can't be traced.
 *
 * What such a function is given as context is the kernel's own struct, not the one that its source
 * names: the verifier rewrites accesses to the latter.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "codegen/image.h"
#include "probes/bpf_program.h"
#include "sema/script.h"
#include "target/target.h"

/* Once for how much there is, once for it. A program does not change. */
static bool read_functions(int fd, struct bpf_prog_info *info, struct arena *a, uint64_t **addresses)
{
	struct bpf_prog_info want = { 0 };
	uint32_t size = sizeof *info, n;

	*info = want;
	if (bpf_obj_get_info_by_fd(fd, info, &size))
		return false;
	n = info->nr_func_info;
	if (!n || !info->btf_id || info->func_info_rec_size < sizeof(struct bpf_func_info))
		return true;
	want.nr_func_info = n;
	want.func_info_rec_size = info->func_info_rec_size;
	want.func_info = (uintptr_t)arena_alloc(a, (size_t)n * info->func_info_rec_size);
	*addresses = arena_alloc(a, n * sizeof **addresses);
	want.nr_jited_ksyms = info->nr_jited_ksyms < n ? info->nr_jited_ksyms : n;
	want.jited_ksyms = (uintptr_t)*addresses;
	size = sizeof *info;
	*info = want;
	return !bpf_obj_get_info_by_fd(fd, info, &size);
}

static struct btf_file *read_btf(struct arena *a, uint32_t id)
{
	struct bpf_btf_info info = { 0 };
	uint32_t size = sizeof info;
	int fd = bpf_btf_get_fd_by_id(id);
	struct btf_file *btf = NULL;
	const char *why;

	if (fd < 0)
		return NULL;
	if (!bpf_obj_get_info_by_fd(fd, &info, &size)) {
		uint32_t n = info.btf_size;
		char *bytes = arena_alloc(a, n + 1);

		info = (struct bpf_btf_info){ .btf = (uintptr_t)bytes, .btf_size = n };
		size = sizeof info;
		if (!bpf_obj_get_info_by_fd(fd, &info, &size))
			btf = btf_parse(a, (struct str){ bytes, n }, NULL, &why);
	}
	close(fd);
	return btf;
}

static bool visit_functions(struct arena *a, uint32_t id, int fd, bpf_function_visit *visit, void *ctx)
{
	struct bpf_prog_info info;
	uint64_t *addresses = NULL;
	struct bpf_function f = { .program = id };
	bool more = true;

	if (!read_functions(fd, &info, a, &addresses))
		return true;
	f.program_name = arena_printf(a, "%.*s", (int)sizeof info.name, info.name);
	f.btf = info.func_info ? read_btf(a, info.btf_id) : NULL;
	if (!f.btf)
		return visit(ctx, &f);
	for (uint32_t i = 0; more && i < info.nr_func_info; i++) {
		const struct bpf_func_info *func =
			(const void *)(uintptr_t)(info.func_info + (uint64_t)i * info.func_info_rec_size);

		f.type_id = func->type_id;
		f.name = btf_name(f.btf, btf_record(f.btf, f.type_id)->name_off);
		f.address = i < info.nr_jited_ksyms ? addresses[i] : 0;
		more = visit(ctx, &f);
	}
	return more;
}

bool bpf_functions_each(struct arena *a, bpf_function_visit *visit, void *ctx)
{
	bool frozen = strcmp(target_path(a, "/"), "/") != 0; /* XBT_ROOT's kernel runs no programs */
	bool more = !frozen;
	uint32_t id = 0;

	while (more && !bpf_prog_get_next_id(id, &id)) {
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd < 0 && errno != ENOENT)
			return false;
		if (fd < 0)
			continue;
		more = visit_functions(a, id, fd, visit, ctx);
		close(fd);
	}
	return !more || errno == ENOENT;
}

/* ---- compiling -------------------------------------------------------------------------- */

struct matching {
	struct script *s;
	struct attach_point *ap;
	struct str id, name;
	struct near near;
	bool untyped; /* there is such a program, but what its functions are nobody knows */
};

/* The kernel cuts programs' names. */
static bool is_program(const struct matching *m, const char *name)
{
	struct str cut = { m->name.s, m->name.len < BPF_OBJ_NAME_LEN - 1 ? m->name.len : BPF_OBJ_NAME_LEN - 1 };

	return glob_match(cut, str_of(name));
}

static bool add_match(void *ctx, const struct bpf_function *f)
{
	struct matching *m = ctx;
	struct target *t;

	if (m->id.len && !glob_match(m->id, str_of(arena_printf(&m->s->work, "%u", f->program))))
		return true;
	if (!f->btf) {
		m->untyped |= is_program(m, f->program_name);
		return true;
	}
	str_near(&m->near, f->name);
	if (!glob_match(m->name, f->name))
		return true;
	t = attach_target(m->s, m->ap, "bpf:%u:%.*s", f->program, STR_ARG(f->name));
	t->group = "bpf";
	t->name = str_dup(&m->s->arena, f->name);
	t->number = f->program;
	t->type_id = f->type_id;
	t->address = f->address;
	t->args = ctype_program_function(m->s, f->btf, f->type_id, &t->retval);
	if (!t->args)
		m->ap->targets.n--;
	return true;
}

void bpf_functions_expand(struct script *s, struct attach_point *ap, struct absence *absence)
{
	struct matching m = { .s = s, .ap = ap, .id = ap->part[2], .name = ap->part[1],
			      .near = { .wanted = ap->part[1] } };

	if (!bpf_functions_each(&s->arena, add_match, &m)) {
		absence->why = "BPF programs can't be listed: run as root (CAP_SYS_ADMIN)";
		return;
	}
	absence->why = m.untyped ? "this BPF program has no BTF, so it can't be traced"
				 : "no BPF program is loaded that has such a function (and BTF)";
	if (m.near.best.len)
		absence->hint = arena_printf(&s->arena, "did you mean '%s:bpf:%.*s'?", ap->kind->name,
					     STR_ARG(m.near.best));
}

/* ---- loading ---------------------------------------------------------------------------- */

int bpf_function_prepare(const struct target *t, struct links *links, struct loading *loading)
{
	int fd = bpf_prog_get_fd_by_id((uint32_t)t->number);

	if (fd < 0) {
		links->why = "the BPF program has gone";
		return -ENOENT;
	}
	loading->btf_id = t->type_id;
	loading->prog_fd = fd;
	return 0;
}
