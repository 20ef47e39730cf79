// SPDX-License-Identifier: Apache-2.0
/*
 * Links that put one program on many functions at once: kprobe.multi (Linux 5.18, with
 * CONFIG_FPROBE) and uprobe.multi (6.6). Thousands of probes then cost one system call.
 *
 * A program must be loaded for this, so whether the kernel can do it is asked before: with a link
 * that can't be made, whose error tells. Where it can't, or one of the functions is refused, the
 * caller attaches to each by itself. The kernel's headers may be older than the kernel: what is
 * handed over is declared here.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "codegen/image.h"
#include "target/target.h"

/* enum bpf_attach_type, and flags. */
enum { KPROBE_MULTI = 42, UPROBE_MULTI = 48, AT_RETURN = 1 };

/* union bpf_attr, as BPF_LINK_CREATE sees it. */
struct link_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	union {
		struct {
			uint32_t flags, count;
			uint64_t symbols, addresses, cookies;
		} kprobe;
		struct {
			uint64_t path, offsets, semaphores, cookies;
			uint32_t count, flags, pid;
		} uprobe;
		uint8_t room[96];
	};
};

static int create(struct link_attr *attr)
{
	return (int)syscall(SYS_bpf, BPF_LINK_CREATE, attr, sizeof *attr);
}

/* ---- can the kernel do it? -------------------------------------------------------------- */

static int load_nothing(uint32_t attach_type)
{
	static const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach_type);

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "xbt_try", "GPL", insns, LEN(insns), &opts);
}

/* A symbol that nobody has, or the root folder: a kernel that knows such links says so. */
static bool try_link(bool user)
{
	const char *symbol = "xbt has no such function";
	uint64_t offset = 0;
	struct link_attr attr = { .attach_type = user ? UPROBE_MULTI : KPROBE_MULTI };
	int fd, error;

	attr.prog_fd = (uint32_t)load_nothing(attr.attach_type);
	if ((int)attr.prog_fd < 0)
		return false;
	if (user) {
		attr.uprobe.path = (uintptr_t)"/";
		attr.uprobe.offsets = (uintptr_t)&offset;
		attr.uprobe.count = 1;
	} else {
		attr.kprobe.symbols = (uintptr_t)&symbol;
		attr.kprobe.count = 1;
	}
	fd = create(&attr);
	error = errno;
	if (fd >= 0)
		close(fd);
	close((int)attr.prog_fd);
	return fd < 0 && error == (user ? EBADF : ESRCH);
}

static bool can_link(struct links *links, bool user)
{
	struct links_known *known = &links->known[user];

	if (!known->asked)
		known->yes = try_link(user);
	known->asked = true;
	return known->yes;
}

int multi_prepare(const struct prog *prog, struct links *links, struct loading *loading)
{
	bool user = prog->kind->provides & IS_USER;

	if (prog->ntargets > 1 && can_link(links, user))
		loading->attach_type = user ? UPROBE_MULTI : KPROBE_MULTI;
	return 0;
}

/* ---- attaching -------------------------------------------------------------------------- */

/* Addresses if all are known: one name may stand for several functions. */
static int attach_kprobes(int prog_fd, const struct prog *prog, struct links *links)
{
	uint64_t *words = arena_alloc(links->arena, prog->ntargets * sizeof *words);
	bool by_address = true;
	struct link_attr attr = { .prog_fd = (uint32_t)prog_fd, .attach_type = KPROBE_MULTI };

	for (uint32_t i = 0; i < prog->ntargets; i++) {
		by_address &= prog->targets[i].address != 0;
		if (prog->targets[i].number)
			return -EINVAL; /* no offsets */
	}
	for (uint32_t i = 0; i < prog->ntargets; i++)
		words[i] = by_address ? prog->targets[i].address : (uintptr_t)prog->targets[i].name;
	attr.kprobe.count = prog->ntargets;
	attr.kprobe.flags = prog->kind->provides & HAS_RETVAL ? AT_RETURN : 0;
	*(by_address ? &attr.kprobe.addresses : &attr.kprobe.symbols) = (uintptr_t)words;
	return create(&attr);
}

/* Some targets of one file. */
static int attach_uprobes(int prog_fd, const struct prog *prog, const struct target *t, uint32_t n,
			  struct links *links)
{
	uint64_t *offsets = arena_alloc(links->arena, 2 * n * sizeof *offsets), *semaphores = offsets + n;
	struct link_attr attr = { .prog_fd = (uint32_t)prog_fd, .attach_type = UPROBE_MULTI };

	for (uint32_t i = 0; i < n; i++) {
		offsets[i] = t[i].number;
		semaphores[i] = t[i].semaphore;
	}
	attr.uprobe.path = (uintptr_t)t->group;
	attr.uprobe.offsets = (uintptr_t)offsets;
	attr.uprobe.semaphores = (uintptr_t)semaphores;
	attr.uprobe.count = n;
	attr.uprobe.flags = prog->kind->provides & HAS_RETVAL ? AT_RETURN : 0;
	return create(&attr);
}

int multi_attach(int prog_fd, const struct prog *prog, struct links *links)
{
	bool user = prog->kind->provides & IS_USER;
	uint32_t before = links->list.n, n;

	if (!can_link(links, user))
		return -EOPNOTSUPP;
	for (uint32_t i = 0; i < prog->ntargets; i += n) {
		const struct target *t = &prog->targets[i];
		int fd;

		for (n = 1; user && i + n < prog->ntargets && !strcmp(t[n].group, t->group);)
			n++;
		if (!user)
			n = prog->ntargets;
		fd = user ? attach_uprobes(prog_fd, prog, t, n, links)
			  : attach_kprobes(prog_fd, prog, links);
		if (fd < 0) {
			attach_undo(links, before);
			return -EINVAL;
		}
		attach_keep(links, fd, prog, t);
	}
	return 0;
}
