// SPDX-License-Identifier: Apache-2.0
/*
 * A kprobe and a kretprobe of the same functions as one program with one link: kprobe.session. That
 * is one program behind the other, and before both a question to the kernel which side it is.
 *
 * Linux has such links since 6.10. Before 6.14 they lose entries, too, where more calls are under way
 * than it has room for returns: the meaning would change, so they are left alone. What can't be made
 * so (a function without ftrace's hook, too large a program) is loaded and attached one by one.
 */
#include <string.h>
#include <unistd.h>

#include "runtime/runtime.h"

/* ---- which ------------------------------------------------------------------------------ */

static bool same_target(const struct target *x, const struct target *y)
{
	return !x->number && !y->number && x->by_address == y->by_address && x->address == y->address &&
	       !strcmp(x->name, y->name) && !strcmp(x->group, y->group);
}

/* Functions that the kernel calls back would stand in each other's way. */
static bool is_pair(const struct prog *x, const struct prog *y)
{
	if (strcmp(x->kind->name, "kprobe") != 0 || strcmp(y->kind->name, "kretprobe") != 0 ||
	    x->ntargets != y->ntargets || x->ncallbacks || y->ncallbacks)
		return false;
	for (uint32_t i = 0; i < x->ntargets; i++)
		if (!same_target(&x->targets[i], &y->targets[i]))
			return false;
	return true;
}

/* The later one that makes a pair with it; or itself. */
static uint32_t find_partner(const struct loaded *l, uint32_t index)
{
	const struct image *image = l->session->image;

	for (uint32_t i = index + 1; i < image->progs.n; i++)
		if (l->partner[i] == i && (is_pair(&image->progs.v[index], &image->progs.v[i]) ||
					   is_pair(&image->progs.v[i], &image->progs.v[index])))
			return i;
	return index;
}

/* ---- joining ---------------------------------------------------------------------------- */

enum { KFUNC_CALL = 2 }; /* BPF_PSEUDO_KFUNC_CALL */

static void append(struct prog *to, const struct prog *p)
{
	uint32_t at = to->ninsns;

	memcpy(to->insns + at, p->insns, p->ninsns * sizeof *p->insns);
	for (uint32_t i = 0; i < p->nrelocs; i++) {
		to->relocs[to->nrelocs] = p->relocs[i];
		to->relocs[to->nrelocs++].insn += at;
	}
	to->ninsns += p->ninsns;
}

/* Both begin with the context in r1, and share nothing else. */
static void join(struct arena *a, const struct prog *entry, const struct prog *back, uint32_t is_return,
		 struct prog *to)
{
	struct bpf_insn head[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
		{ .code = BPF_JMP | BPF_CALL, .src_reg = KFUNC_CALL, .imm = (int32_t)is_return },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6 },
		{ .code = BPF_JMP | BPF_JNE | BPF_K, .off = (int16_t)(entry->ninsns) },
	};

	*to = *entry;
	to->insns = arena_alloc(a, (LEN(head) + entry->ninsns + back->ninsns) * sizeof *to->insns);
	to->relocs = arena_alloc(a, (entry->nrelocs + back->nrelocs + 1) * sizeof *to->relocs);
	to->nrelocs = 0;
	to->ninsns = LEN(head);
	memcpy(to->insns, head, sizeof head);
	append(to, entry);
	append(to, back);
}

bool load_pair(struct loaded *l, uint32_t index)
{
	const struct prog *first = &l->session->image->progs.v[index], *entry = first, *back;
	uint32_t other = find_partner(l, index), is_return;
	struct loading as = { 0 };
	struct prog whole;

	if (other == index || !session_prepare(&l->links, &as, &is_return))
		return false;
	back = &l->session->image->progs.v[other];
	if (strcmp(entry->kind->name, "kprobe") != 0) {
		entry = back;
		back = first;
	}
	if (entry->ninsns > INT16_MAX)
		return false;
	join(l->links.arena, entry, back, is_return, &whole);
	l->prog_fds[index] = load_quietly(l, &whole, &as);
	if (l->prog_fds[index] < 0)
		return false;
	l->partner[index] = other;
	l->partner[other] = index;
	return true;
}

bool attach_pair(struct loaded *l, uint32_t index)
{
	const struct prog *p = &l->session->image->progs.v[index];
	uint32_t other = l->partner[index];

	if (session_attach(l->prog_fds[index], p, &l->links))
		return true;
	close(l->prog_fds[index]);
	l->prog_fds[index] = -1;
	l->partner[index] = index;
	l->partner[other] = other;
	load_program(l, index);
	load_program(l, other);
	return false;
}
