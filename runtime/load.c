// SPDX-License-Identifier: Apache-2.0
/*
 * From image to kernel: maps, programs, attachments; and back.
 *
 * Knows nothing of the AST. Everything is done by file descriptors that this process holds, so
 * nothing stays behind when it ends, however it ends. A program that the verifier refuses is xbt's
 * bug: the script's line, the verifier's last words and how to report it are printed.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "runtime/runtime.h"
#include "target/target.h"

/* ---- failures --------------------------------------------------------------------------- */

/* The kernel said no to a bpf() call: privilege and lockdown come first among the reasons. */
static bool refuse(struct loaded *l, const char *what, const char *name, int error)
{
	struct features features;
	const char *why = NULL;

	if (error == EPERM || error == EACCES) {
		features_read(l->links.arena, &features);
		why = features_refusal(l->links.arena, &features);
	}
	if (why)
		fprintf(stderr, "xbt: error: %s\n", why);
	else
		fprintf(stderr, "xbt: error: %s '%s': %s\n", what, name, strerror(error));
	return false;
}

/* ---- maps ------------------------------------------------------------------------------- */

/* Per-CPU values of many CPUs that would take this much at once are allocated as keys come; kernels
 * before 6.1 can't do that in every program. */
enum { PREALLOC_MAX = 64 << 20, RELEASE_NO_PREALLOC = 6 << 16 | 1 << 8 };
enum { KEY_MAX_OLD = 512 }; /* of a hash before 5.11 (MAX_BPF_STACK, kernel/bpf/hashtab.c) */

static uint32_t map_flags(const struct loaded *l, const struct image_map *m)
{
	bool hash = m->type == BPF_MAP_TYPE_HASH || m->type == BPF_MAP_TYPE_PERCPU_HASH;
	uint64_t copies = m->type == BPF_MAP_TYPE_PERCPU_HASH ? l->session->ncpus : 1;
	struct features features;

	if (!hash || copies * m->max_entries * (m->key_size + (uint64_t)m->value_size) < PREALLOC_MAX)
		return m->flags;
	features_read(l->links.arena, &features);
	return m->flags | (features.release >= RELEASE_NO_PREALLOC ? BPF_F_NO_PREALLOC : 0);
}

static bool fill_map(struct loaded *l, const struct map *m, int fd)
{
	for (uint32_t i = 0; m && i < m->init.n; i++)
		if (bpf_map_update_elem(fd, m->init.v[i].key, m->init.v[i].value, BPF_ANY) < 0)
			return refuse(l, "can't fill map", m->name.s, errno);
	return true;
}

/* Where all memory must be there at once, the map of stacks is smaller. */
static uint32_t map_entries(const struct loaded *l, const struct image_map *m, uint32_t index, uint32_t flags)
{
	uint32_t ncpus = l->session->ncpus;

	if (m->type == BPF_MAP_TYPE_LRU_HASH)
		return lru_entries(m->max_entries, m->key_size + m->value_size, ncpus);
	if (m->type == BPF_MAP_TYPE_LRU_PERCPU_HASH)
		return lru_entries(m->max_entries, m->key_size + (uint64_t)m->value_size * ncpus, ncpus);
	return index == IMAGE_STACKS && !(flags & BPF_F_NO_PREALLOC) ? m->max_entries / 8 : m->max_entries;
}

/* What programs ask about their targets. */
static bool fill_facts(struct loaded *l, const struct image_map *m, int fd)
{
	char *value = arena_alloc(l->links.arena, m->value_size + 1);

	for (uint32_t i = 0; m->targets && i < m->max_entries; i++) {
		const struct target *t = &m->targets[i];

		memset(value, 0, m->value_size);
		if (m->fact == FACT_ADDRESS)
			memcpy(value, &t->address, sizeof t->address);
		else
			snprintf(value, m->value_size, "%s", m->fact == FACT_TEXT ? t->text : t->name);
		if (bpf_map_update_elem(fd, &i, value, BPF_ANY) < 0)
			return refuse(l, "can't fill map", m->name, errno);
	}
	return true;
}

/* A path in the file system, or from the root of the cgroups, which stands lower where those of version
 * 1 are, too. */
static const char *cgroup_at(struct loaded *l, const char *path)
{
	const char *root = "/sys/fs/cgroup", *both = "/sys/fs/cgroup/unified";

	if (strncmp(path, root, strlen(root)) != 0)
		path = arena_printf(l->links.arena, "%s/%s",
				    access(target_path(l->links.arena, both), X_OK) ? root : both,
				    path + (*path == '/'));
	return path;
}

static bool set_cgroup(struct loaded *l, int map)
{
	const char *path = cgroup_at(l, l->session->image->cgroup);
	int fd = open(target_path(l->links.arena, path), O_RDONLY | O_DIRECTORY | O_CLOEXEC), error;
	uint32_t first = 0;

	if (fd < 0) {
		fprintf(stderr, "xbt: error: --cgroup: can't open '%s': %s\n", path, strerror(errno));
		return false;
	}
	error = bpf_map_update_elem(map, &first, &fd, BPF_ANY) < 0 ? errno : 0;
	close(fd);
	if (error)
		fprintf(stderr, "xbt: error: --cgroup: '%s' is no cgroup (v2): %s\n", path,
			strerror(error));
	return !error;
}

static bool create_map(struct loaded *l, uint32_t index)
{
	const struct image_map *m = &l->session->image->maps.v[index];
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = map_flags(l, m));
	int fd = bpf_map_create(m->type, m->name, m->key_size, m->value_size,
				map_entries(l, m, index, opts.map_flags), &opts);

	if (fd < 0 && errno == E2BIG && m->key_size > KEY_MAX_OLD) {
		fprintf(stderr, "xbt: error: the keys of @%s have %u bytes, and this kernel takes %d\n",
			m->name, m->key_size, KEY_MAX_OLD);
		return false;
	}
	if (fd < 0)
		return refuse(l, "can't create map", m->name, errno);
	l->session->map_fds[index] = fd;
	return fill_map(l, m->map, fd) && fill_facts(l, m, fd) &&
	       (index != IMAGE_CGROUP || set_cgroup(l, fd));
}

/* xbt's own maps are made only if a program uses them. */
static bool is_used(const struct image *image, uint32_t index)
{
	if (index >= IMAGE_MAPS || index == IMAGE_LEDGER)
		return true;
	if (index == IMAGE_CGROUP)
		return image->cgroup; /* also if no probe asks it: the path may be wrong */
	for (uint32_t k = 0; k < image->progs.n; k++)
		for (uint32_t r = 0; r < image->progs.v[k].nrelocs; r++)
			if (image->progs.v[k].relocs[r].map == index)
				return true;
	return false;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The other clock is read between two readings of the first: the middle of those is its time. */
static uint64_t tai_offset(void)
{
	uint64_t before = clock_ns(CLOCK_BOOTTIME), tai = clock_ns(CLOCK_TAI);

	return tai - (before + (clock_ns(CLOCK_BOOTTIME) - before) / 2);
}

/* What is no loss counter but a fact for programs to read. */
static uint64_t starting_value(const struct loaded *l, enum ledger_kind kind)
{
	switch (kind) {
	case LEDGER_START:
		return clock_ns(CLOCK_BOOTTIME);
	case LEDGER_TAI:
		return tai_offset();
	case LEDGER_CPID:
		return (uint64_t)l->child_pid;
	default:
		return 0;
	}
}

static bool map_ledger(struct loaded *l)
{
	const struct image_map *m = &l->session->image->maps.v[IMAGE_LEDGER];
	void *memory = mmap(NULL, m->value_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			    l->session->map_fds[IMAGE_LEDGER], 0);

	if (memory == MAP_FAILED)
		return refuse(l, "can't map", m->name, errno);
	l->session->ledger = memory;
	for (uint32_t i = 0; i < l->session->image->ledger.n; i++)
		l->session->ledger[i] = starting_value(l, l->session->image->ledger.v[i].kind);
	return true;
}

static bool create_maps(struct loaded *l)
{
	for (uint32_t i = 0; i < l->session->image->maps.n; i++)
		if (is_used(l->session->image, i) && !create_map(l, i))
			return false;
	return map_ledger(l);
}

/* ---- programs --------------------------------------------------------------------------- */

enum { LOG_SIZE = 4 << 20, LOG_LINES = 12 };

/* The last instruction that the verifier's log names. */
static uint32_t last_insn(const char *log, uint32_t ninsns)
{
	uint32_t last = 0;

	for (const char *line = log; line; line = strchr(line, '\n')) {
		char *end;
		unsigned long n;

		line += *line == '\n';
		n = strtoul(line, &end, 10);
		if (end != line && *end == ':' && n < ninsns)
			last = (uint32_t)n;
	}
	return last;
}

static const char *log_tail(const char *log)
{
	const char *tail = log + strlen(log);

	for (int lines = 0; tail > log && lines <= LOG_LINES; tail--)
		lines += tail[-1] == '\n';
	return tail > log ? tail + 2 : log;
}

/* The instruction that a loop jumps back to, the first of them; ninsns: there is none. */
static uint32_t find_loop(const struct prog *p)
{
	for (uint32_t i = 0; i < p->ninsns; i++)
		if (BPF_CLASS(p->insns[i].code) == BPF_JMP && BPF_OP(p->insns[i].code) != BPF_CALL &&
		    p->insns[i].off < 0)
			return i + 1 + (uint32_t)p->insns[i].off;
	return p->ninsns;
}

/* What the kernel takes: BPF_COMPLEXITY_LIMIT_INSNS, MAX_USED_MAPS (include/linux/bpf.h, bpf_verifier.h). */
enum { INSNS_MAX = 1000000, MAPS_MAX = 64 };

/* How many maps a program uses, and which instruction uses the one too many. */
static uint32_t count_maps(const struct loaded *l, const struct prog *p, uint32_t *over)
{
	bool *seen = arena_alloc(&l->session->arena, l->session->image->maps.n + 1);
	uint32_t n = 0;

	for (uint32_t r = 0; r < p->nrelocs; r++) {
		n += !seen[p->relocs[r].map];
		if (!seen[p->relocs[r].map] && n == MAPS_MAX + 1)
			*over = p->relocs[r].insn;
		seen[p->relocs[r].map] = true;
	}
	return n;
}

static void explain_limit(struct loaded *l, const struct prog *p, struct span at)
{
	uint32_t over, maps = count_maps(l, p, &over), e;
	bool loop = find_loop(p) < p->ninsns;

	if (maps > MAPS_MAX) {
		e = diag_error(&l->diag, at, "verifier-maps",
			       "the program of %s uses %u maps; the kernel allows %d", p->targets[0].text, maps,
			       MAPS_MAX);
		diag_hint(&l->diag, e, "elements of one map may do, or several probes of the same name");
		return;
	}
	if (loop)
		at = (struct span){ p->spans[find_loop(p)], p->spans[find_loop(p)] + 1 };
	e = diag_error(&l->diag, at, "verifier-limit",
				loop ? "the kernel can't see that a loop of %s ends (%u instructions)"
				     : "the program of %s is too large or too complex for the kernel (%u instructions)",
				p->targets[0].text, p->ninsns);

	diag_hint(&l->diag, e, loop ? "it follows while step by step, but not for ($i : 0..1000000) { ... }"
				    : "split the probe, or unroll fewer times");
}

/* Known before anything is made: a kernel takes its time over thousands of maps. */
static bool fits(struct loaded *l, const struct prog *p)
{
	uint32_t over = p->ninsns > INSNS_MAX ? INSNS_MAX : 0;

	if (count_maps(l, p, &over) <= MAPS_MAX && !over)
		return true;
	explain_limit(l, p, (struct span){ p->spans[over], p->spans[over] + 1 });
	return false;
}

/* A helper that this kernel keeps from such programs: it is older, or locked down. */
static bool explain_helper(struct loaded *l, const char *log, struct span at)
{
	const char *line = strstr(log, "cannot use helper "), *name;

	if (!line)
		line = strstr(log, "unknown func ");
	name = line ? strstr(line, "bpf_") : NULL;
	if (name)
		diag_error(&l->diag, at, "verifier-helper", "this kernel doesn't let such a probe call %.*s()",
			   (int)strcspn(name, "#\n "), name);
	return name != NULL;
}

static void explain_refusal(struct loaded *l, const struct prog *p, const char *log, int error)
{
	uint32_t at = p->spans[last_insn(log, p->ninsns)], e;
	struct span span = { at, at + 1 };

	if (explain_helper(l, log, span))
		return;
	if (error == E2BIG || strstr(log, "too large") || strstr(log, "too complex") ||
	    strstr(log, "infinite loop")) {
		explain_limit(l, p, span);
		return;
	}
	e = diag_error(&l->diag, span, "verifier",
		       "the kernel's verifier refused the program of %s (%s); this is a bug of xbt's",
		       p->targets[0].text, strerror(error));
	diag_hint(&l->diag, e, "please report it with the script, `uname -r`, and these last lines of its log:\n%s",
		  log_tail(log));
}

/* What the kernel wants to know of functions that it calls back: that they are static ones. Types of
 * "int f()", in the order of the instructions. NULL: errno. */
static struct btf *describe_functions(const struct prog *p, struct bpf_func_info *info)
{
	struct btf *btf = btf__new_empty();
	int type = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);

	type = btf__add_func_proto(btf, type);
	for (uint32_t i = 0; i <= p->ncallbacks && type > 0; i++) {
		info[i].insn_off = i ? p->callbacks[i - 1] : 0;
		info[i].type_id = (uint32_t)btf__add_func(btf, i ? "body" : p->name,
							  i ? BTF_FUNC_STATIC : BTF_FUNC_GLOBAL, type);
	}
	if (btf && !btf__load_into_kernel(btf))
		return btf;
	btf__free(btf);
	return NULL;
}

static int try_load(const struct prog *p, const struct loading *as, const struct bpf_insn *insns,
		    char *log)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .log_buf = log, .log_size = log ? LOG_SIZE : 0,
		    .log_level = log ? 1 : 0, .expected_attach_type = as->attach_type,
		    .attach_btf_id = as->btf_id, .attach_btf_obj_fd = (uint32_t)as->btf_fd,
		    .attach_prog_fd = (uint32_t)as->prog_fd);
	struct bpf_func_info info[p->ncallbacks + 1];
	struct btf *btf = NULL;
	int fd;

	if (p->ncallbacks) {
		btf = describe_functions(p, info);
		if (!btf)
			return -1;
		opts.prog_btf_fd = (uint32_t)btf__fd(btf);
		opts.func_info = info;
		opts.func_info_cnt = p->ncallbacks + 1;
		opts.func_info_rec_size = sizeof *info;
	}
	fd = bpf_prog_load(p->kind->type, p->name, "GPL", insns, p->ninsns, &opts);
	btf__free(btf);
	return fd;
}

static void relocate(const struct loaded *l, const struct prog *p, struct bpf_insn *insns)
{
	memcpy(insns, p->insns, p->ninsns * sizeof *insns);
	for (uint32_t i = 0; i < p->nrelocs; i++) {
		const struct reloc *r = &p->relocs[i];

		insns[r->insn].imm = l->session->map_fds[r->map];
		insns[r->insn + 1].imm = r->value ? (int32_t)r->offset : 0;
	}
}

/* The kernel did not even look at the program: it was the function that it is for. Why; NULL: it did. */
static const char *target_refused(const struct prog *p, const char *log)
{
	if (!p->kind->single || strstr(log, "0: (") ||
	    (strstr(log, "processed ") && !strstr(log, "processed 0 insns")))
		return NULL;
	if (strstr(log, "noreturn"))
		return "this function never returns";
	if (strstr(log, "cannot be found"))
		return "the compiler made copies of this function, and no function has just its name; "
		       "kprobe and kretprobe find them";
	return "the kernel does not let programs be loaded for it";
}

static bool may_trace(struct loaded *l)
{
	struct features features;

	features_read(l->links.arena, &features);
	return !features_refusal(l->links.arena, &features);
}

static bool load_instructions(struct loaded *l, uint32_t index, const struct loading *as,
			      const struct bpf_insn *insns)
{
	const struct prog *p = &l->session->image->progs.v[index];
	int fd = try_load(p, as, insns, NULL), error = errno;
	char *log = NULL;

	/* Not for want of privilege: let the verifier tell. */
	if (fd < 0 && error != EPERM && (log = calloc(1, LOG_SIZE))) {
		fd = try_load(p, as, insns, log);
		/* Before 6.4: there is more to say than the log holds. */
		error = errno == ENOSPC ? E2BIG : errno;
		if (fd < 0 && !(l->refused[index] = target_refused(p, log)))
			explain_refusal(l, p, log, error);
	} else if (fd < 0 && p->kind->single && may_trace(l)) {
		l->refused[index] = "this kernel does not permit such programs";
	} else if (fd < 0) {
		refuse(l, "can't load the program of", p->targets[0].text, error);
	}
	free(log);
	l->prog_fds[index] = fd;
	return fd >= 0 || l->refused[index];
}

bool load_program(struct loaded *l, uint32_t index)
{
	const struct prog *p = &l->session->image->progs.v[index];
	struct bpf_insn *insns = malloc(p->ninsns * sizeof *insns);
	struct loading as = { 0 };
	bool fine;
	int error;

	if (!insns)
		return refuse(l, "can't load", p->name, ENOMEM);
	relocate(l, p, insns);
	error = p->kind->prepare ? p->kind->prepare(p, &l->links, &as) : 0;
	if (error)
		l->refused[index] = l->links.why;
	fine = error || load_instructions(l, index, &as, insns);
	if (as.btf_fd > 0)
		close(as.btf_fd);
	if (as.prog_fd > 0)
		close(as.prog_fd);
	free(insns);
	return fine;
}

int load_quietly(struct loaded *l, const struct prog *p, const struct loading *as)
{
	struct bpf_insn *insns = malloc(p->ninsns * sizeof *insns);
	int fd = -1;

	if (!insns)
		return -1;
	relocate(l, p, insns);
	fd = try_load(p, as, insns, NULL);
	free(insns);
	return fd;
}

static bool load_programs(struct loaded *l)
{
	uint32_t n = l->session->image->progs.n;

	l->partner = arena_alloc(l->links.arena, (n + 1) * sizeof *l->partner);
	for (uint32_t i = 0; i < n; i++)
		l->partner[i] = i;
	for (uint32_t i = 0; i < n; i++)
		if (l->partner[i] == i && !load_pair(l, i) && !load_program(l, i))
			return false;
	return true;
}

/* All that do not fit are told, before anything is made. */
static bool fit_all(struct loaded *l)
{
	bool fine = true;

	for (uint32_t i = 0; i < l->session->image->progs.n; i++)
		fine &= fits(l, &l->session->image->progs.v[i]);
	return fine;
}

bool load(struct loaded *l)
{
	bool fine = fit_all(l) && create_maps(l) && load_programs(l);

	diag_print(&l->diag, stderr);
	return fine;
}

/* ---- special probes --------------------------------------------------------------------- */

bool exit_noted(struct session *s)
{
	for (uint32_t i = 0; i < s->image->ledger.n; i++)
		if (s->image->ledger.v[i].kind == LEDGER_EXIT && s->ledger[i]) {
			s->exit_status = (int)s->ledger[i];
			return true;
		}
	return false;
}

bool run_special(struct loaded *l, const char *kind)
{
	const struct image *image = l->session->image;

	for (uint32_t i = 0; i < image->progs.n; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts);

		if (strcmp(image->progs.v[i].kind->name, kind) != 0)
			continue;
		if (bpf_prog_test_run_opts(l->prog_fds[i], &opts) < 0)
			return refuse(l, "can't run", kind, errno);
	}
	return true;
}

void unload(struct loaded *l)
{
	struct session *s = l->session;

	detach(l);
	for (uint32_t i = 0; i < s->image->progs.n; i++)
		if (l->prog_fds[i] >= 0)
			close(l->prog_fds[i]);
	for (uint32_t i = 0; i < s->image->maps.n; i++)
		if (s->map_fds[i] >= 0)
			close(s->map_fds[i]);
	if (s->ledger)
		munmap(s->ledger, s->image->maps.v[IMAGE_LEDGER].value_size);
}
