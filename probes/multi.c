// SPDX-License-Identifier: Apache-2.0
/*
 * Links that put one program on many functions at once: kprobe.multi (Linux 5.18, with
 * CONFIG_FPROBE) and uprobe.multi (6.6). Thousands of probes then cost one system call. kprobe.session
 * is the same at entry and return.
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
enum { KPROBE_MULTI = 42, UPROBE_MULTI = 48, KPROBE_SESSION = 56, AT_RETURN = 1 };
/* Since when sessions have room for the returns of all calls. */
enum { RELEASE_SESSION = 6 << 16 | 14 << 8 };

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

/* The targets of one program, and room for what is said of each. */
struct range {
	const struct prog *prog;
	struct links *links;
	int prog_fd;
	uint32_t session;     /* its attach type; 0: an ordinary link of its kind */
	uint64_t *words, *semaphores, *cookies;
};

/* By name the kernel finds the one of several symbols that can be traced; where it is others that are
 * meant, addresses tell them apart. */
static int attach_kprobes(const struct range *r, uint32_t first, uint32_t n)
{
	const struct target *t = r->prog->targets + first;
	bool by_address = t->by_address;
	struct link_attr attr = { .prog_fd = (uint32_t)r->prog_fd,
				  .attach_type = r->session ? r->session : KPROBE_MULTI };

	for (uint32_t i = 0; i < n; i++) {
		if (t[i].number || t[i].by_address != by_address)
			return -1; /* no offsets */
		r->words[i] = by_address ? t[i].address : (uintptr_t)t[i].name;
	}
	attr.kprobe.count = n;
	attr.kprobe.flags = !r->session && r->prog->kind->provides & HAS_RETVAL ? AT_RETURN : 0;
	attr.kprobe.cookies = (uintptr_t)(r->cookies + first);
	*(by_address ? &attr.kprobe.addresses : &attr.kprobe.symbols) = (uintptr_t)r->words;
	return create(&attr);
}

/* Of one file. */
static int attach_uprobes(const struct range *r, uint32_t first, uint32_t n)
{
	const struct target *t = r->prog->targets + first;
	struct link_attr attr = { .prog_fd = (uint32_t)r->prog_fd, .attach_type = UPROBE_MULTI };

	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(t[i].group, t->group) != 0)
			return -1;
		r->words[i] = t[i].number;
		r->semaphores[i] = t[i].semaphore;
	}
	attr.uprobe.path = (uintptr_t)t->group;
	attr.uprobe.offsets = (uintptr_t)r->words;
	attr.uprobe.semaphores = (uintptr_t)r->semaphores;
	attr.uprobe.cookies = (uintptr_t)(r->cookies + first);
	attr.uprobe.count = n;
	attr.uprobe.flags = r->prog->kind->provides & HAS_RETVAL ? AT_RETURN : 0;
	return create(&attr);
}

/* One that can't be attached spoils the link of all: halves are tried until it stands alone. */
static void attach_range(const struct range *r, uint32_t first, uint32_t n, bool *attached)
{
	int fd = r->prog->kind->provides & IS_USER ? attach_uprobes(r, first, n)
						   : attach_kprobes(r, first, n);

	if (fd >= 0) {
		attach_keep(r->links, fd, r->prog, &r->prog->targets[first]);
		memset(attached + first, true, n * sizeof *attached);
	} else if (n > 1 && !attach_interrupted()) {
		attach_range(r, first, n / 2, attached);
		attach_range(r, first + n / 2, n - n / 2, attached);
	}
}

static void range_init(struct range *r, int prog_fd, const struct prog *prog, struct links *links)
{
	*r = (struct range){ .prog = prog, .links = links, .prog_fd = prog_fd };
	r->words = arena_alloc(links->arena, 3 * prog->ntargets * sizeof *r->words);
	r->semaphores = r->words + prog->ntargets;
	r->cookies = r->semaphores + prog->ntargets;
	for (uint32_t i = 0; i < prog->ntargets; i++)
		r->cookies[i] = i;
}

void multi_attach(int prog_fd, const struct prog *prog, struct links *links, bool *attached)
{
	struct range r;

	if (!can_link(links, prog->kind->provides & IS_USER))
		return;
	range_init(&r, prog_fd, prog, links);
	attach_range(&r, 0, prog->ntargets, attached);
}

/* ---- entry and return at once ----------------------------------------------------------- */

bool session_prepare(struct links *links, struct loading *loading, uint32_t *is_return)
{
	struct features features;

	features_read(links->arena, &features);
	if (features.release < RELEASE_SESSION || !can_link(links, false))
		return false;
	loading->attach_type = KPROBE_SESSION;
	*is_return = btf_kernel_function(links, "bpf_session_is_return");
	return *is_return;
}

bool session_attach(int prog_fd, const struct prog *prog, struct links *links)
{
	struct range r;
	int fd;

	range_init(&r, prog_fd, prog, links);
	r.session = KPROBE_SESSION;
	fd = attach_kprobes(&r, 0, prog->ntargets);
	if (fd >= 0)
		attach_keep(links, fd, prog, &prog->targets[0]);
	return fd >= 0;
}
