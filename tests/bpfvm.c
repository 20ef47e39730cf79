// SPDX-License-Identifier: Apache-2.0
/*
 * A kernel in a box: those of libbpf's functions that call the kernel, as far as xbt calls them, over an
 * interpreter of BPF. Linked with all of xbt before libbpf, it makes build/vm/xbt, which runs scripts
 * of BEGIN and END without privilege: the same compiler, the same loader and the same printing as in
 * ./xbt.
 *
 * It is stricter than a CPU, as the verifier is: every register knows whether it was ever set and, if
 * it holds an address, what it may reach. What the verifier would refuse on the way that is run ends
 * the process with status 99. What it would refuse on other ways is not seen here.
 *
 * Two CPUs: each program that is run takes the other one, so that merging per-CPU values is tested.
 * New memory is filled with garbage wherever the kernel promises no zeros.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "codegen/image.h"

enum { CPUS = 2, BUCKETS = 1024, OBJECTS = 65536, STACK = 512, FRAMES = 8, STEPS = 50000000,
       REFUSED = 99 };

struct element {
	struct element *next;
	char *key, *value; /* value: CPUS parts, if the map is per CPU */
};

struct record {
	struct record *next;
	uint32_t size;
	bool submitted, discarded;
	char *data;
};

struct ring_buffer {
	struct object *map;
	ring_buffer_sample_fn take;
	void *context;
	int fd;
};

/* What a file descriptor of ours stands for: a map or a program. */
struct object {
	uint32_t type, key_size, value_size, max, n;
	uint32_t slot, parts;
	struct element *bucket[BUCKETS], *gone;
	char *memory; /* of an array */
	struct record *first, **last;
	size_t used; /* of a ring buffer */
	struct bpf_insn *insns;
	uint32_t ninsns;
	struct object *before; /* what the descriptor stood for, until it was closed */
};

static struct object *objects[OBJECTS];

static int new_object(size_t size, struct object **o)
{
	int fd = memfd_create("bpfvm", MFD_CLOEXEC);

	if (fd < 0 || fd >= OBJECTS || ftruncate(fd, (off_t)size) < 0)
		return -1;
	*o = calloc(1, sizeof **o);
	if (!*o)
		return -1;
	(*o)->before = objects[fd];
	objects[fd] = *o;
	return fd;
}

static int failed(int error)
{
	errno = error;
	return -error;
}

/* ---- maps ------------------------------------------------------------------------------- */

static bool is_array(const struct object *m)
{
	return m->type == BPF_MAP_TYPE_ARRAY || m->type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

int bpf_map_create(enum bpf_map_type type, const char *name, __u32 key_size, __u32 value_size,
		   __u32 max_entries, const struct bpf_map_create_opts *opts)
{
	bool per_cpu = type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY;
	uint32_t slot = (value_size + 7) / 8 * 8, parts = per_cpu ? CPUS : 1;
	bool array = type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY;
	size_t size = array ? (size_t)slot * parts * max_entries : 0;
	struct object *m;
	int fd = new_object(size, &m);

	(void)name;
	(void)opts;
	if (fd < 0)
		return failed(ENOMEM);
	*m = (struct object){ .before = m->before, .type = type, .key_size = key_size, .value_size = value_size,
			      .max = max_entries, .slot = slot, .parts = parts, .last = &m->first };
	if (array)
		m->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return m->memory == MAP_FAILED ? failed(ENOMEM) : fd;
}

/* Where the element is, or would be, linked from. */
static struct element **find(struct object *m, const char *key)
{
	uint32_t hash = 2166136261;
	struct element **e;

	for (uint32_t i = 0; i < m->key_size; i++)
		hash = (hash ^ (uint8_t)key[i]) * 16777619;
	for (e = &m->bucket[hash % BUCKETS]; *e; e = &(*e)->next)
		if (!memcmp((*e)->key, key, m->key_size))
			break;
	return e;
}

static char *lookup(struct object *m, const void *key)
{
	uint32_t index;

	if (is_array(m)) {
		memcpy(&index, key, sizeof index);
		return index < m->max ? m->memory + (size_t)index * m->slot * m->parts : NULL;
	}
	return *find(m, key) ? (*find(m, key))->value : NULL;
}

/* cpu < 0: from user space, all parts at once. */
static int update(struct object *m, const void *key, const void *value, uint64_t flags, int cpu)
{
	char *old = lookup(m, key);
	struct element **at, *e;

	if ((old && flags == BPF_NOEXIST) || (is_array(m) && !old))
		return old ? EEXIST : E2BIG;
	if (!old && (flags == BPF_EXIST || m->n == m->max))
		return flags == BPF_EXIST ? ENOENT : E2BIG;
	if (!old) {
		e = calloc(1, sizeof *e);
		e->key = memcpy(malloc(m->key_size), key, m->key_size);
		old = e->value = calloc(m->parts, m->slot);
		at = find(m, key);
		*at = e;
		m->n++;
	}
	if (cpu < 0)
		memcpy(old, value, m->parts == 1 ? m->value_size : m->slot * m->parts);
	else
		memcpy(old + (m->parts == 1 ? 0 : m->slot * (uint32_t)cpu), value, m->value_size);
	return 0;
}

/* Its memory stays: a program may still have its address. */
static int delete(struct object *m, const void *key)
{
	struct element **at = find(m, key), *e = *at;

	if (!e)
		return ENOENT;
	*at = e->next;
	e->next = m->gone;
	m->gone = e;
	m->n--;
	return 0;
}

static void read_out(const struct object *m, const char *from, void *value)
{
	memcpy(value, from, m->parts == 1 ? m->value_size : m->slot * m->parts);
}

int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	char *found = lookup(objects[fd], key);

	if (!found)
		return failed(ENOENT);
	read_out(objects[fd], found, value);
	return 0;
}

int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	int error = update(objects[fd], key, value, flags, -1);

	return error ? failed(error) : 0;
}

int bpf_map_delete_elem(int fd, const void *key)
{
	int error = delete(objects[fd], key);

	return error ? failed(error) : 0;
}

int bpf_map_get_next_key(int fd, const void *key, void *next)
{
	(void)fd;
	(void)key;
	(void)next;
	return failed(EOPNOTSUPP);
}

int bpf_map_lookup_batch(int fd, void *in, void *out, void *keys, void *values, __u32 *count,
			 const struct bpf_map_batch_opts *opts)
{
	struct object *m = objects[fd];
	uint32_t skip = 0, at = 0, n = 0, room = *count;

	(void)opts;
	if (in)
		memcpy(&skip, in, sizeof skip);
	for (uint32_t i = 0; i < BUCKETS; i++)
		for (struct element *e = m->bucket[i]; e && n < room; e = e->next) {
			if (at++ < skip)
				continue;
			memcpy((char *)keys + (size_t)n * m->key_size, e->key, m->key_size);
			read_out(m, e->value, (char *)values + (size_t)n * m->slot * m->parts);
			n++;
		}
	*count = n;
	skip += n;
	memcpy(out, &skip, sizeof skip);
	return skip < m->n ? 0 : failed(ENOENT);
}

/* ---- the ring buffer -------------------------------------------------------------------- */

enum { RECORD_HEADER = 8 };

static size_t record_space(uint64_t size)
{
	return (size + 7) / 8 * 8 + RECORD_HEADER;
}

static struct record *reserve(struct object *m, uint64_t size)
{
	struct record *r;

	if (m->used + record_space(size) > m->max)
		return NULL;
	m->used += record_space(size);
	r = calloc(1, sizeof *r);
	r->size = (uint32_t)size;
	r->data = memset(malloc(size + 1), 0xa5, size + 1);
	*m->last = r;
	m->last = &r->next;
	return r;
}

struct ring_buffer *ring_buffer__new(int fd, ring_buffer_sample_fn take, void *context,
				     const struct ring_buffer_opts *opts)
{
	struct ring_buffer *rb = calloc(1, sizeof *rb);

	(void)opts;
	*rb = (struct ring_buffer){ objects[fd], take, context, eventfd(0, EFD_CLOEXEC) };
	return rb;
}

void ring_buffer__free(struct ring_buffer *rb)
{
	free(rb);
}

int ring_buffer__epoll_fd(const struct ring_buffer *rb)
{
	return rb->fd;
}

int ring_buffer__consume(struct ring_buffer *rb)
{
	struct object *m = rb->map;
	int n = 0, stop = 0;

	while (m->first && !stop) {
		struct record *r = m->first;

		m->first = r->next;
		if (!m->first)
			m->last = &m->first;
		m->used -= record_space(r->size);
		if (!r->discarded)
			stop = rb->take(rb->context, r->data, r->size) < 0;
		free(r->data);
		free(r);
		n++;
	}
	return n;
}

/* ---- the machine ------------------------------------------------------------------------ */

enum kind { UNSET, NUMBER, CONTEXT, FRAME, MEMORY, MAP, FUNCTION };

struct reg {
	enum kind kind;
	uint64_t v;
	char *base; /* FRAME, MEMORY: what the address may reach */
	uint32_t size;
	uint32_t check; /* MEMORY: which null check it needs first; 0: none */
	struct object *map;
	struct record *record; /* the reservation that it is the address of */
};

struct machine {
	const struct object *program;
	uint32_t at, steps, frame;     /* frame: how many functions surround the one that runs */
	struct reg r[11];
	_Alignas(8) char stack[FRAMES * STACK];
	bool set[FRAMES * STACK];               /* bytes that were written */
	struct reg spilled[FRAMES * STACK / 8]; /* addresses that were stored whole */
	bool *checked;                 /* by number of the check */
	uint32_t checks, open_records;
	int cpu;
};

static _Noreturn void refuse(const struct machine *m, const char *why)
{
	fprintf(stderr, "bpfvm: instruction %u: %s\n", m->at, why);
	fflush(stdout);
	disasm(m->program->insns, m->program->ninsns, stderr);
	_exit(REFUSED);
}

static struct reg number(uint64_t v)
{
	return (struct reg){ .kind = NUMBER, .v = v };
}

static struct reg memory(char *base, uint32_t size)
{
	return (struct reg){ .kind = MEMORY, .v = (uintptr_t)base, .base = base, .size = size };
}

static struct reg *get(struct machine *m, unsigned n)
{
	if (n > 10)
		refuse(m, "no such register");
	if (m->r[n].kind == UNSET)
		refuse(m, "it reads a register that was never set");
	return &m->r[n];
}

static bool is_address(const struct reg *r)
{
	return r->kind != NUMBER && r->kind != UNSET;
}

/* The memory from r + off on, if it has that many bytes. */
static char *reach(struct machine *m, const struct reg *r, int64_t off, uint64_t size)
{
	uint64_t at = r->v + (uint64_t)off - (uintptr_t)r->base;

	if (r->kind != FRAME && r->kind != MEMORY)
		refuse(m, r->kind == CONTEXT ? "the context has no bytes here" : "this is no address");
	if (r->check && !m->checked[r->check])
		refuse(m, "an address that may be null was not checked");
	if (!r->base || at > r->size || size > r->size - at)
		refuse(m, "it reaches beyond its memory");
	if (r->record && (r->record->submitted || r->record->discarded))
		refuse(m, "the record was submitted before");
	return r->base + at;
}

/* Memory that is going to be read. */
static char *reach_set(struct machine *m, const struct reg *r, int64_t off, uint64_t size)
{
	char *at = reach(m, r, off, size);

	for (uint64_t i = 0; r->kind == FRAME && i < size; i++)
		if (!m->set[at - m->stack + (ptrdiff_t)i])
			refuse(m, "it reads stack that was never written");
	return at;
}

/* Memory that is going to be written. */
static char *reach_write(struct machine *m, const struct reg *r, int64_t off, uint64_t size)
{
	char *at = reach(m, r, off, size);

	for (uint64_t i = 0; r->kind == FRAME && i < size; i++) {
		m->set[at - m->stack + (ptrdiff_t)i] = true;
		m->spilled[(at - m->stack + (ptrdiff_t)i) / 8].kind = UNSET;
	}
	return at;
}

/* What loads and stores must be, on the stack; helpers take any address. */
static void check_aligned(struct machine *m, const struct reg *base, const char *at, uint32_t size)
{
	if (base->kind == FRAME && (at - base->base) % size)
		refuse(m, "an access to the stack that is not aligned");
}

static struct reg load_from(struct machine *m, const struct reg *base, int off, uint32_t size)
{
	char *at = reach_set(m, base, off, size);
	struct reg v = number(0);

	check_aligned(m, base, at, size);
	if (base->kind == FRAME && is_address(&m->spilled[(at - m->stack) / 8])) {
		if (size != 8)
			refuse(m, "it reads a part of an address");
		return m->spilled[(at - m->stack) / 8];
	}
	memcpy(&v.v, at, size); /* x86 and aarch64 are little-endian */
	return v;
}

static void store_to(struct machine *m, const struct reg *base, int off, uint32_t size,
		     const struct reg *v)
{
	char *at = reach_write(m, base, off, size);

	check_aligned(m, base, at, size);
	memcpy(at, &v->v, size);
	if (is_address(v) && (base->kind != FRAME || size != 8))
		refuse(m, "it gives an address away");
	if (is_address(v))
		m->spilled[(at - m->stack) / 8] = *v;
}

static void run_function(struct machine *);

/* ---- helpers ---------------------------------------------------------------------------- */

static struct object *map_argument(struct machine *m, unsigned n)
{
	if (get(m, n)->kind != MAP)
		refuse(m, "a helper's argument is no map");
	return m->r[n].map;
}

/* An address that may be null: the program must look first. */
static struct reg checked_memory(struct machine *m, char *base, uint32_t size)
{
	struct reg r = memory(base, base ? size : 0);

	r.check = ++m->checks;
	m->checked = realloc(m->checked, m->checks + 1);
	m->checked[r.check] = false;
	return r;
}

static struct reg call_lookup(struct machine *m)
{
	struct object *map = map_argument(m, 1);
	char *value = lookup(map, reach_set(m, get(m, 2), 0, map->key_size));

	if (value && map->parts > 1)
		value += map->slot * (uint32_t)m->cpu;
	return checked_memory(m, value, map->value_size);
}

static struct reg call_update(struct machine *m)
{
	struct object *map = map_argument(m, 1);
	char *key = reach_set(m, get(m, 2), 0, map->key_size);
	char *value = reach_set(m, get(m, 3), 0, map->value_size);

	return number((uint64_t)-(int64_t)update(map, key, value, get(m, 4)->v, m->cpu));
}

static struct reg call_delete(struct machine *m)
{
	struct object *map = map_argument(m, 1);

	return number((uint64_t)-(int64_t)delete(map, reach_set(m, get(m, 2), 0, map->key_size)));
}

/* The program's own memory, or whatever the process has there; false: nothing. */
static bool fetch(struct machine *m, struct reg *from, char *to, uint64_t size)
{
	struct iovec local = { to, size }, remote = { (void *)(uintptr_t)from->v, size };

	if (from->kind == FRAME || from->kind == MEMORY)
		return memcpy(to, reach_set(m, from, 0, size), size) != NULL;
	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size;
}

static struct reg call_read(struct machine *m)
{
	uint64_t size = get(m, 2)->v;
	char *to = reach_write(m, get(m, 1), 0, size), *copy = malloc(size + 1);
	bool fine = fetch(m, get(m, 3), copy, size);

	if (fine)
		memcpy(to, copy, size);
	else
		memset(to, 0, size);
	free(copy);
	return number(fine ? 0 : (uint64_t)-EFAULT);
}

static struct reg call_read_string(struct machine *m)
{
	uint64_t size = get(m, 2)->v, n = 0;
	char *to = reach_write(m, get(m, 1), 0, size);
	struct reg from = *get(m, 3);

	for (; n < size; n++, from.v++) {
		if (!fetch(m, &from, &to[n], 1)) {
			memset(to, 0, size);
			return number((uint64_t)-EFAULT);
		}
		if (n + 1 == size)
			to[n] = 0;
		if (!to[n])
			return number(n + 1);
	}
	return number(0);
}

static struct reg call_comm(struct machine *m)
{
	uint64_t size = get(m, 2)->v;
	char *to = reach_write(m, get(m, 1), 0, size), comm[16] = "";

	prctl(PR_GET_NAME, comm);
	memset(to, 0, size);
	memcpy(to, comm, size < sizeof comm ? size : sizeof comm);
	return number(0);
}

static struct reg call_ns_pid(struct machine *m)
{
	uint32_t *to = (uint32_t *)reach_write(m, get(m, 3), 0, get(m, 4)->v);

	to[0] = to[1] = (uint32_t)getpid();
	return number(0);
}

/* A stack of three frames: of the kernel in tests/fixture, or of a process. The rest is zeroed. */
static struct reg call_stack(struct machine *m)
{
	static const uint64_t kernel[] = { 0xffffffff813669e4, 0xffffffff81366c20, 0xffffffff81001001 };
	static const uint64_t user[] = { 0x1001, 0x2002, 0x3003 };
	static const struct bpf_stack_build_id ids[] = {
		{ .status = BPF_STACK_BUILD_ID_VALID, .build_id = { 0xab, 1, 0, 0xcd }, .offset = 0x1234 },
		{ .status = BPF_STACK_BUILD_ID_IP, .ip = 0x2002 },
	};
	uint64_t size = get(m, 3)->v, flags = get(m, 4)->v, n = sizeof kernel;
	const void *from = flags & BPF_F_USER_STACK ? user : kernel;
	char *to = reach_write(m, get(m, 2), 0, size);

	if (get(m, 1)->kind != CONTEXT)
		refuse(m, "a stack is read through the context");
	if (flags & BPF_F_USER_BUILD_ID) {
		from = ids;
		n = sizeof ids;
	}
	n = n < size ? n : size;
	memset(to, 0, size);
	memcpy(to, from, n);
	return number(n);
}

static struct reg call_reserve(struct machine *m)
{
	struct record *record = reserve(map_argument(m, 1), get(m, 2)->v);
	struct reg r = checked_memory(m, record ? record->data : NULL, record ? record->size : 0);

	r.record = record;
	m->open_records += record != NULL;
	return r;
}

static struct reg call_submit(struct machine *m, bool discard)
{
	struct reg *r = get(m, 1);

	reach(m, r, 0, 0);
	if (!r->record || r->v != (uintptr_t)r->base)
		refuse(m, "what it submits is no record");
	r->record->submitted = !discard;
	r->record->discarded = discard;
	m->open_records--;
	return (struct reg){ .kind = UNSET };
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Runs the function that a helper was given, in a frame of its own, with these arguments. True: the
 * helper is to go on. */
static bool call_back(struct machine *m, uint32_t at, const struct reg *args, int n)
{
	struct machine saved = { .at = m->at };
	struct reg result;

	if (m->frame + 1 >= FRAMES)
		refuse(m, "functions call each other too deep");
	memcpy(saved.r, m->r, sizeof saved.r);
	memset(m->r, 0, sizeof m->r);
	memcpy(m->r + 1, args, (size_t)n * sizeof *args);
	m->frame++;
	m->at = at;
	run_function(m);
	result = *get(m, 0);
	m->frame--;
	m->at = saved.at;
	memcpy(m->r, saved.r, sizeof saved.r);
	if (result.kind != NUMBER || result.v > 1)
		refuse(m, "what the kernel calls must return 0 or 1");
	return !result.v;
}

static uint32_t function_argument(struct machine *m, unsigned n)
{
	if (get(m, n)->kind != FUNCTION)
		refuse(m, "a helper's argument is no function");
	return (uint32_t)m->r[n].v;
}

static struct reg call_loop(struct machine *m)
{
	uint32_t times = (uint32_t)get(m, 1)->v, body = function_argument(m, 2), i = 0;
	struct reg args[] = { number(0), *get(m, 3) };

	if (times > 1 << 23)
		return number((uint64_t)-E2BIG);
	for (bool more = true; i < times && more; i++) {
		args[0] = number(i);
		more = call_back(m, body, args, 2);
	}
	return number(i);
}

static struct reg call_for_each(struct machine *m)
{
	struct object *map = map_argument(m, 1);
	uint32_t body = function_argument(m, 2), n = 0;
	struct reg args[] = { m->r[1], { 0 }, { 0 }, *get(m, 3) };
	bool more = true;

	if (is_array(map) || map->parts != 1)
		refuse(m, "bpfvm goes over plain hashes only");
	for (uint32_t i = 0; i < BUCKETS; i++)
		for (struct element *e = map->bucket[i], *next; e && more; e = next, n++) {
			next = e->next; /* the body may delete it */
			args[1] = memory(e->key, map->key_size);
			args[2] = memory(e->value, map->value_size);
			more = call_back(m, body, args, 4);
		}
	return number(n);
}

static struct reg call_helper(struct machine *m, int32_t id)
{
	switch (id) {
	case BPF_FUNC_loop:
		return call_loop(m);
	case BPF_FUNC_for_each_map_elem:
		return call_for_each(m);
	case BPF_FUNC_map_lookup_elem:
		return call_lookup(m);
	case BPF_FUNC_map_update_elem:
		return call_update(m);
	case BPF_FUNC_map_delete_elem:
		return call_delete(m);
	case BPF_FUNC_probe_read:
	case BPF_FUNC_probe_read_kernel:
	case BPF_FUNC_probe_read_user:
		return call_read(m);
	case BPF_FUNC_probe_read_str:
	case BPF_FUNC_probe_read_kernel_str:
	case BPF_FUNC_probe_read_user_str:
		return call_read_string(m);
	case BPF_FUNC_get_stack:
		return call_stack(m);
	case BPF_FUNC_ringbuf_reserve:
		return call_reserve(m);
	case BPF_FUNC_ringbuf_submit:
	case BPF_FUNC_ringbuf_discard:
		return call_submit(m, id == BPF_FUNC_ringbuf_discard);
	case BPF_FUNC_get_current_comm:
		return call_comm(m);
	case BPF_FUNC_get_current_pid_tgid:
		return number((uint64_t)getpid() << 32 | (uint32_t)getpid());
	case BPF_FUNC_get_current_uid_gid:
		return number((uint64_t)getgid() << 32 | getuid());
	case BPF_FUNC_get_smp_processor_id:
		return number((uint64_t)m->cpu);
	case BPF_FUNC_trace_printk:
		reach_set(m, get(m, 1), 0, get(m, 2)->v);
		return number(0);
	case BPF_FUNC_get_numa_node_id:
		return number(0);
	case BPF_FUNC_get_ns_current_pid_tgid:
		return call_ns_pid(m);
	case BPF_FUNC_jiffies64:
		return number(clock_ns(CLOCK_MONOTONIC) / 4000000);
	case BPF_FUNC_ktime_get_tai_ns:
		return number(clock_ns(CLOCK_TAI));
	case BPF_FUNC_get_current_cgroup_id:
		return number(1);
	case BPF_FUNC_get_current_task:
		return number(0xffff888012345680);
	case BPF_FUNC_get_prandom_u32:
		return number((uint32_t)rand());
	case BPF_FUNC_ktime_get_ns:
		return number(clock_ns(CLOCK_MONOTONIC));
	case BPF_FUNC_ktime_get_boot_ns:
		return number(clock_ns(CLOCK_BOOTTIME));
	default:
		refuse(m, "a helper that bpfvm doesn't have");
	}
}

/* ---- instructions ----------------------------------------------------------------------- */

static uint64_t compute(struct machine *m, uint8_t op, uint64_t a, uint64_t b, uint32_t bits)
{
	switch (op) {
	case BPF_ADD:  return a + b;
	case BPF_SUB:  return a - b;
	case BPF_MUL:  return a * b;
	case BPF_DIV:  return b ? a / b : 0;
	case BPF_MOD:  return b ? a % b : a;
	case BPF_OR:   return a | b;
	case BPF_AND:  return a & b;
	case BPF_XOR:  return a ^ b;
	case BPF_MOV:  return b;
	case BPF_NEG:  return -a;
	case BPF_END:  return __builtin_bswap64(a) >> (64 - b);
	case BPF_LSH:  return a << (b & (bits - 1));
	case BPF_RSH:  return a >> (b & (bits - 1));
	case BPF_ARSH:
		return bits == 64 ? (uint64_t)((int64_t)a >> (b & 63))
				  : (uint64_t)((int32_t)a >> (b & 31));
	default:       refuse(m, "an operation that bpfvm doesn't have");
	}
}

static void step_alu(struct machine *m, const struct bpf_insn *i)
{
	bool wide = BPF_CLASS(i->code) == BPF_ALU64;
	uint8_t op = BPF_OP(i->code);
	struct reg b = BPF_SRC(i->code) == BPF_X && op != BPF_END ? *get(m, i->src_reg)
						  : number((uint64_t)(int64_t)i->imm);
	struct reg a = op == BPF_MOV ? number(0) : *get(m, i->dst_reg);

	if (i->dst_reg >= 10)
		refuse(m, "r10 can't be written");
	if (!wide) {
		if (is_address(&a) || is_address(&b))
			refuse(m, "half an address");
		m->r[i->dst_reg] = number((uint32_t)compute(m, op, (uint32_t)a.v, (uint32_t)b.v, 32));
		return;
	}
	if (BPF_SRC(i->code) == BPF_K && (op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH) &&
	    (uint32_t)i->imm > 63)
		refuse(m, "a shift by more than 63");
	if (BPF_SRC(i->code) == BPF_K && (op == BPF_DIV || op == BPF_MOD) && !i->imm)
		refuse(m, "a division by zero");
	if (op == BPF_MOV) {
		m->r[i->dst_reg] = b;
		return;
	}
	if (is_address(&a) || is_address(&b)) {
		struct reg *address = is_address(&a) ? &a : &b;

		if ((is_address(&a) && is_address(&b)) || (op != BPF_ADD && (op != BPF_SUB || address == &b)) ||
		    (address->kind != FRAME && address->kind != MEMORY) ||
		    (address->check && !m->checked[address->check]))
			refuse(m, "arithmetic that addresses don't have");
		address->v = compute(m, op, a.v, b.v, 64);
		m->r[i->dst_reg] = *address;
		return;
	}
	m->r[i->dst_reg] = number(compute(m, op, a.v, b.v, 64));
}

static bool holds(struct machine *m, uint8_t op, uint64_t a, uint64_t b)
{
	switch (op) {
	case BPF_JA:   return true;
	case BPF_JEQ:  return a == b;
	case BPF_JNE:  return a != b;
	case BPF_JGT:  return a > b;
	case BPF_JGE:  return a >= b;
	case BPF_JLT:  return a < b;
	case BPF_JLE:  return a <= b;
	case BPF_JSET: return a & b;
	case BPF_JSGT: return (int64_t)a > (int64_t)b;
	case BPF_JSGE: return (int64_t)a >= (int64_t)b;
	case BPF_JSLT: return (int64_t)a < (int64_t)b;
	case BPF_JSLE: return (int64_t)a <= (int64_t)b;
	default:       refuse(m, "a jump that bpfvm doesn't have");
	}
}

static void step_jump(struct machine *m, const struct bpf_insn *i)
{
	uint8_t op = BPF_OP(i->code);
	struct reg a = number(0), b = number((uint64_t)(int64_t)i->imm);

	if (op != BPF_JA)
		a = *get(m, i->dst_reg);
	if (BPF_SRC(i->code) == BPF_X)
		b = *get(m, i->src_reg);
	if (is_address(&b) || (is_address(&a) && (b.v || (op != BPF_JEQ && op != BPF_JNE))))
		refuse(m, "it compares an address with more than null");
	if (a.check)
		m->checked[a.check] = true;
	if (holds(m, op, a.v, b.v))
		m->at += (uint32_t)(int32_t)i->off;
}

static void step_imm64(struct machine *m, const struct bpf_insn *i)
{
	bool is_map = i->src_reg == BPF_PSEUDO_MAP_FD || i->src_reg == BPF_PSEUDO_MAP_VALUE;
	struct object *map = is_map ? objects[i->imm] : NULL;
	struct reg r = number((uint32_t)i[0].imm | (uint64_t)(uint32_t)i[1].imm << 32);

	if (i->src_reg == BPF_PSEUDO_MAP_FD) {
		r = (struct reg){ .kind = MAP, .map = map };
	} else if (i->src_reg == BPF_PSEUDO_MAP_VALUE) {
		r = memory(map->memory, map->value_size);
		r.v += (uint32_t)i[1].imm;
	} else if (i->src_reg == BPF_PSEUDO_FUNC) {
		r = (struct reg){ .kind = FUNCTION, .v = m->at + 1 + (uint64_t)i->imm };
	}
	m->r[i->dst_reg] = r;
	m->at++;
}

static void step_atomic(struct machine *m, const struct bpf_insn *i)
{
	struct reg *base = get(m, i->dst_reg), v;

	if ((i->imm != BPF_ADD && i->imm != BPF_CMPXCHG) || BPF_SIZE(i->code) != BPF_DW || base->kind == FRAME)
		refuse(m, "an atomic operation that bpfvm doesn't have");
	v = load_from(m, base, i->off, 8);
	if (i->imm == BPF_CMPXCHG) {
		if (v.v == get(m, BPF_REG_0)->v)
			store_to(m, base, i->off, 8, get(m, i->src_reg));
		m->r[0] = v;
		return;
	}
	v.v += get(m, i->src_reg)->v;
	store_to(m, base, i->off, 8, &v);
}

static uint32_t access_size(const struct bpf_insn *i)
{
	switch (BPF_SIZE(i->code)) {
	case BPF_B: return 1;
	case BPF_H: return 2;
	case BPF_W: return 4;
	default:    return 8;
	}
}

static void step_call(struct machine *m, const struct bpf_insn *i)
{
	m->r[0] = call_helper(m, i->imm);
	for (int k = 1; k <= 5; k++)
		m->r[k].kind = UNSET;
}

/* False: the program has ended. */
static bool step(struct machine *m)
{
	const struct bpf_insn *i = &m->program->insns[m->at];
	struct reg imm = number((uint64_t)(int64_t)i->imm);

	switch (BPF_CLASS(i->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		step_alu(m, i);
		break;
	case BPF_LD:
		step_imm64(m, i);
		break;
	case BPF_LDX:
		m->r[i->dst_reg] = load_from(m, get(m, i->src_reg), i->off, access_size(i));
		break;
	case BPF_ST:
		store_to(m, get(m, i->dst_reg), i->off, access_size(i), &imm);
		break;
	case BPF_STX:
		if (BPF_MODE(i->code) == BPF_ATOMIC)
			step_atomic(m, i);
		else
			store_to(m, get(m, i->dst_reg), i->off, access_size(i), get(m, i->src_reg));
		break;
	case BPF_JMP:
		if (BPF_OP(i->code) == BPF_EXIT)
			return false;
		if (BPF_OP(i->code) == BPF_CALL)
			step_call(m, i);
		else
			step_jump(m, i);
		break;
	default:
		refuse(m, "a class of instructions that bpfvm doesn't have");
	}
	m->at++;
	return true;
}

/* From m->at to the exit. */
static void run_function(struct machine *m)
{
	char *frame = m->stack + m->frame * STACK;

	memset(frame, 0xa5, STACK);
	memset(m->set + m->frame * STACK, 0, STACK);
	memset(m->spilled + m->frame * STACK / 8, 0, STACK / 8 * sizeof *m->spilled);
	m->r[10] = (struct reg){ .kind = FRAME, .v = (uintptr_t)frame + STACK, .base = frame,
				 .size = STACK };
	do {
		if (m->at >= m->program->ninsns || ++m->steps > STEPS)
			refuse(m, m->steps > STEPS ? "no end is in sight" : "it runs out of its program");
	} while (step(m));
}

/* ---- programs --------------------------------------------------------------------------- */

int bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license,
		  const struct bpf_insn *insns, size_t n, const struct bpf_prog_load_opts *opts)
{
	struct object *p;
	int fd = new_object(0, &p);

	(void)type;
	(void)name;
	(void)license;
	(void)opts;
	if (fd < 0)
		return failed(ENOMEM);
	p->insns = memcpy(malloc(n * sizeof *insns), insns, n * sizeof *insns);
	p->ninsns = (uint32_t)n;
	return fd;
}

int bpf_prog_test_run_opts(int fd, struct bpf_test_run_opts *opts)
{
	static int runs;
	struct machine *m = calloc(1, sizeof *m);

	(void)opts;
	m->program = objects[fd];
	m->cpu = runs++ % CPUS;
	m->r[1] = (struct reg){ .kind = CONTEXT };
	run_function(m);
	if (get(m, 0)->kind != NUMBER)
		refuse(m, "it returns an address");
	if (m->open_records)
		refuse(m, "a record is neither submitted nor discarded");
	free(m->checked);
	free(m);
	return 0;
}

/* ---- what there is no use for ----------------------------------------------------------- */

int bpf_link_create(int prog, int target, enum bpf_attach_type type,
		    const struct bpf_link_create_opts *opts)
{
	(void)prog;
	(void)target;
	(void)type;
	(void)opts;
	return failed(EOPNOTSUPP);
}

int bpf_obj_get_info_by_fd(int fd, void *info, __u32 *size)
{
	(void)fd;
	(void)info;
	(void)size;
	return failed(EOPNOTSUPP);
}

/* What describes functions is for the kernel's verifier. */
int btf__load_into_kernel(struct btf *btf)
{
	(void)btf;
	return 0;
}

int libbpf_num_possible_cpus(void)
{
	return CPUS;
}
