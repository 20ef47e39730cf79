// SPDX-License-Identifier: Apache-2.0
/*
 * iter: a program that runs once for each of the kernel's objects of some kind, tasks for instance.
 *
 *	iter:task { printf("%s\n", ctx->task->comm); }
 *	iter:task:names { printf("%s\n", ctx->task->comm); }     cat /sys/fs/bpf/names
 *
 * BTF tells which iterators there are: each has a function bpf_iter_NAME and a struct of that name,
 * which is the program's context. What it points to may be missing (the last call of all has
 * nothing to show): the program then doesn't run.
 *
 * With a file's name it does not run now, but whenever that file is read, which the kernel's BPF file
 * system makes of it: what the program prints is what the reader reads. It is all that stays behind.
 *
 * The context is read with a helper, as other memory: to the verifier what it loads from there
 * itself is a pointer that must be checked before each use.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/build.h"
#include "codegen/image.h"
#include "sema/script.h"
#include "target/target.h"

extern const struct probe_kind probe_iter;

#define PREFIX "bpf_iter_"

/* ---- the iterators that there are ------------------------------------------------------- */

struct iterators {
	struct arena *arena;
	VEC(struct str) list;
};

static bool note_iterator(void *ctx, uint32_t id, struct str name)
{
	struct iterators *all = ctx;

	(void)id;
	/* "bpf_iter__task" is the context's struct; "bpf_iter__task__safe_trusted" a note for the verifier. */
	if (str_starts(name, PREFIX "_") && !memmem(name.s, name.len, "__safe_", 7))
		*vec_push(all->arena, &all->list) = (struct str){ name.s + 10, name.len - 10 };
	return true;
}

static int by_name(const void *x, const void *y)
{
	return str_cmp(*(const struct str *)x, *(const struct str *)y);
}

static void read_iterators(struct arena *a, struct iterators *all)
{
	const char *why;
	struct btf_file *btf = btf_read(a, target_path(a, "/sys/kernel/btf/vmlinux"), NULL, &why);

	*all = (struct iterators){ .arena = a };
	if (btf)
		btf_each(btf, 1u << BTF_KIND_STRUCT, note_iterator, all);
	if (all->list.n)
		qsort(all->list.v, all->list.n, sizeof *all->list.v, by_name);
}

/* ---- compiling -------------------------------------------------------------------------- */

static bool parse_iter(struct script *s, struct attach_point *ap)
{
	if (!ap->nparts || ap->nparts > 2 || !ap->part[0].len || (ap->nparts == 2 && !ap->part[1].len))
		return attach_malformed(s, ap);
	if (ap->nparts == 1 || !glob_has(ap->part[0]))
		return true;
	diag_error(&s->diag, attach_span(ap, ap->part[0]), "iter-pin",
		   "one file can't be several iterators: a wildcard has none");
	return false;
}

/* Names without a slash are those of files where the BPF file system usually is. */
static const char *pin_path(struct script *s, const struct attach_point *ap)
{
	struct str file = attach_unquote(ap->part[1]);

	if (ap->nparts < 2)
		return NULL;
	return memchr(file.s, '/', file.len) ? str_dup(&s->arena, file)
					     : arena_printf(&s->arena, "/sys/fs/bpf/%.*s", STR_ARG(file));
}

static const struct type *args_iter(struct script *s, struct target *t)
{
	if (!t->args)
		t->args = ctype_struct(s, str_of(arena_printf(&s->work, PREFIX "_%s", t->name)));
	return t->args;
}

static void add_iterator(struct script *s, struct attach_point *ap, struct str name)
{
	struct target *t = attach_target(s, ap, "%.*s%s%.*s", STR_ARG(name), ap->nparts > 1 ? ":" : "",
					 STR_ARG(ap->part[1]));

	t->name = str_dup(&s->arena, name);
	t->pin = pin_path(s, ap);
}

static void expand_iter(struct script *s, struct attach_point *ap, struct absence *absence)
{
	struct near near = { .wanted = ap->part[0] };
	struct iterators all;

	absence->why = ctype_no_btf(s);
	if (absence->why)
		return;
	read_iterators(&s->work, &all);
	for (uint32_t i = 0; i < all.list.n; i++) {
		str_near(&near, all.list.v[i]);
		if (glob_match(ap->part[0], all.list.v[i]))
			add_iterator(s, ap, all.list.v[i]);
	}
	absence->why = "the kernel has no such iterator";
	if (near.best.len)
		absence->hint = arena_printf(&s->arena, "did you mean 'iter:%.*s'?", STR_ARG(near.best));
}

/* Goes on only if all that the context points to is there. */
static void begin_iter(struct build *b, const struct target *t)
{
	for (uint32_t i = 0; t->args && i < t->args->nfields; i++)
		if (t->args->fields[i].type->kind == T_POINTER && !str_is(t->args->fields[i].name, "meta"))
			build_go_on_if(b, build_kernel_read(b, build_ctx_address(b, t->args->fields[i].offset)));
}

/* ---- loading, attaching ----------------------------------------------------------------- */

static int prepare_iter(const struct prog *prog, struct links *links, struct loading *loading)
{
	loading->attach_type = BPF_TRACE_ITER;
	return btf_target(links, "", arena_printf(links->arena, PREFIX "%s", prog->targets[0].name),
			  loading);
}

static int attach_iter(int prog_fd, const struct prog *prog, const struct target *t,
		       struct links *links)
{
	int fd = bpf_link_create(prog_fd, 0, BPF_TRACE_ITER, NULL), error = errno;

	if (fd < 0) {
		links->why = attach_reason(error);
		if (!links->why && (error == EBADF || error == EINVAL))
			links->why = "this iterator goes through one map or cgroup, which no script can name";
		else if (!links->why)
			links->why = arena_printf(links->arena, "the kernel does not make the iterator: %s",
						  strerror(error));
		return -error;
	}
	attach_keep(links, fd, prog, t);
	return 0;
}

/* The kernel refuses it for links of another kind. */
int iter_open(const struct link *link)
{
	return bpf_iter_create(link->fd);
}

/* Other file systems refuse it with EPERM, whoever asks. */
static const char *pin_refusal(struct arena *a, const char *path, int error)
{
	if (error == EEXIST)
		return arena_printf(a, "'%s' is there already: remove it first", path);
	if (error == EPERM)
		return arena_printf(a, "'%s' is in no BPF file system that may be written to: mount -t bpf bpf "
				       "/sys/fs/bpf", path);
	return arena_printf(a, "can't make '%s': %s", path, strerror(error));
}

bool iter_pin(struct links *links, const struct link *link)
{
	if (!bpf_obj_pin(link->fd, link->target->pin))
		return true;
	links->why = pin_refusal(links->arena, link->target->pin, errno);
	return false;
}

/* ---- listing ---------------------------------------------------------------------------- */

static uint32_t list_iter(const struct probe_kind *kind, struct arena *a, struct str pattern,
			  bool verbose, FILE *out)
{
	struct btf_index *btf = verbose ? btf_index_open(a) : NULL;
	struct iterators all;
	uint32_t n = 0;

	read_iterators(a, &all);
	for (uint32_t i = 0; i < all.list.n; i++) {
		if (!attach_listed(pattern, str_dup(a, all.list.v[i])))
			continue;
		n += fprintf(out, "%s:%.*s\n", kind->name, STR_ARG(all.list.v[i])) > 0;
		if (btf)
			btf_index_fields(btf, str_of(arena_printf(a, PREFIX "_%.*s",
								  STR_ARG(all.list.v[i]))), out);
	}
	return n;
}

const struct probe_kind probe_iter = {
	.name = "iter",
	.alias = "it",
	.form = "iter:NAME (iter:task) or iter:NAME:FILE",
	.type = BPF_PROG_TYPE_TRACING,
	.provides = HAS_CTX,
	.single = true,
	.once = true,
	.own_filter = true,
	.unfiltered = true,
	.parse = parse_iter,
	.expand = expand_iter,
	.args = args_iter,
	.begin = begin_iter,
	.prepare = prepare_iter,
	.attach = attach_iter,
	.list = list_iter,
};
