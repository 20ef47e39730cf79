// SPDX-License-Identifier: Apache-2.0
/*
 * The builtins that are words or small functions: one function each, and the table of all of them.
 */
#include "codegen/builder.h"

#include <string.h>

build_function *const build_table[BUILTINS] = {
#define BUILTIN(id, form, result, params, effect, doc) [B_##id] = build_##id,
#include "sema/builtins.def"
#undef BUILTIN
};

/* ---- helpers without arguments ---------------------------------------------------------- */

/* The same all through one firing: called once. */
static ref steady(struct build *b, enum bpf_func_id id)
{
	return ir_append(b->fn, OP_RUNCALL, 0, 0, id, 8);
}

static ref fresh(struct build *b, enum bpf_func_id id)
{
	return ir_call(b->fn, id, 0, NULL);
}

static ref high_half(struct build *b, ref v)
{
	return ir_append(b->fn, OP_SHR, v, ir_const(b->fn, 32), 0, 8);
}

static ref low_half(struct build *b, ref v)
{
	return ir_append(b->fn, OP_EXT, v, 0, 0, 4);
}

#define WORD(name)                                                                                 \
	ref build_##name(struct build *b, struct node *n __attribute__((unused)),                  \
			 struct place to __attribute__((unused)))

/* struct bpf_pidns_info of the current task: pid and tgid, both 0 if it isn't in our namespace. */
static ref namespace_id(struct build *b, uint64_t dev, uint64_t inode, int64_t member)
{
	struct place p = build_temp(b, &type_uint64);
	ref args[] = { ir_const(b->fn, (int64_t)dev), ir_const(b->fn, (int64_t)inode),
		       place_address(b, p), ir_const(b->fn, 8) };

	ir_store(b->fn, p.base, p.off, ir_const(b->fn, 0), 8);
	ir_call(b->fn, BPF_FUNC_get_ns_current_pid_tgid, 4, args);
	return ir_load(b->fn, p.base, p.off + member, 4);
}

static bool wants_first(const struct node *n)
{
	return n->kind == N_CALL && builtin_word(n->call.fn, n->call.args) == 1;
}

static ref first_pid(struct build *b)
{
	return high_half(b, steady(b, BPF_FUNC_get_current_pid_tgid));
}

static ref first_tid(struct build *b)
{
	return low_half(b, steady(b, BPF_FUNC_get_current_pid_tgid));
}

ref build_own_pid(struct build *b)
{
	uint64_t dev, inode;

	return pid_namespace(&dev, &inode) ? namespace_id(b, dev, inode, 4) : first_pid(b);
}

ref build_pid(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return wants_first(n) ? first_pid(b) : build_own_pid(b);
}

ref build_tid(struct build *b, struct node *n, struct place to)
{
	uint64_t dev, inode;

	(void)to;
	return wants_first(n) || !pid_namespace(&dev, &inode) ? first_tid(b)
							      : namespace_id(b, dev, inode, 0);
}

/* What the loader writes into the ledger. */
WORD(cpid)
{
	return ledger_read(b, LEDGER_CPID, NULL);
}

WORD(numaid)
{
	return steady(b, BPF_FUNC_get_numa_node_id);
}

WORD(jiffies)
{
	return fresh(b, BPF_FUNC_jiffies64);
}

WORD(gid)
{
	return high_half(b, steady(b, BPF_FUNC_get_current_uid_gid));
}

WORD(uid)
{
	return low_half(b, steady(b, BPF_FUNC_get_current_uid_gid));
}

WORD(username)
{
	return low_half(b, steady(b, BPF_FUNC_get_current_uid_gid));
}

WORD(cpu)
{
	return low_half(b, steady(b, BPF_FUNC_get_smp_processor_id));
}

WORD(cgroup)
{
	return steady(b, BPF_FUNC_get_current_cgroup_id);
}

WORD(curtask)
{
	return steady(b, BPF_FUNC_get_current_task);
}

/* TAI by the kernel's clock came with 6.1; sw_tai adds what the difference was at the start. */
ref build_nsecs(struct build *b, struct node *n, struct place to)
{
	enum { BOOT, MONOTONIC, TAI, SW_TAI };

	(void)to;
	switch (n->kind == N_CALL ? builtin_word(n->call.fn, n->call.args) : BOOT) {
	case MONOTONIC:
		return fresh(b, BPF_FUNC_ktime_get_ns);
	case TAI:
		return fresh(b, BPF_FUNC_ktime_get_tai_ns);
	case SW_TAI:
		return build_add(b, fresh(b, BPF_FUNC_ktime_get_boot_ns), ledger_read(b, LEDGER_TAI, NULL));
	default:
		return fresh(b, BPF_FUNC_ktime_get_boot_ns);
	}
}

WORD(elapsed)
{
	return ir_append(b->fn, OP_SUB, fresh(b, BPF_FUNC_ktime_get_boot_ns),
			 ledger_read(b, LEDGER_START, NULL), 0, 8);
}

WORD(rand)
{
	return low_half(b, fresh(b, BPF_FUNC_get_prandom_u32));
}

/* Zeros first: some kernels (6.1) leave what stands behind the name's end as it was. */
WORD(comm)
{
	ref args[] = { place_address(b, to), ir_const(b->fn, 16) };

	build_zero_bytes(b, to.base, to.off, type_slot(to.type));
	ir_call(b->fn, BPF_FUNC_get_current_comm, 2, args);
	return 0;
}

/* Only their fields have values. */
WORD(args)
{
	return ir_const(b->fn, 0);
}

WORD(ctx)
{
	return ir_const(b->fn, 0);
}

/* ---- functions -------------------------------------------------------------------------- */

ref build_limit(struct build *b, ref v, uint32_t most)
{
	struct fork k;
	int64_t known;

	if (ir_is_const(b->fn, v, &known))
		return ir_const(b->fn, (uint64_t)known > most ? most : known);
	k = fork_if(b, ir_append(b->fn, OP_ULE, v, ir_const(b->fn, most), 0, 8));
	fork_else(b, &k, v);
	return fork_join(b, &k, ir_const(b->fn, most));
}

ref build_read_string(struct build *b, enum space space, struct place to, ref size, ref address)
{
	ref args[] = { place_address(b, to), size, address };

	return ir_call(b->fn, space == SPACE_KERNEL ? BPF_FUNC_probe_read_kernel_str
		       : space == SPACE_USER ? BPF_FUNC_probe_read_user_str : BPF_FUNC_probe_read_str,
		       3, args);
}

ref build_address(struct build *b, struct node *n, enum space *space)
{
	*space = address_space(n->type);
	if (!in_memory(n->type))
		return build_value(b, n);
	if (is_remote(n)) {
		*space = remote_space(n);
		return build_remote_address(b, n);
	}
	*space = SPACE_KERNEL;
	return place_address(b, build_memory(b, n));
}

ref build_str(struct build *b, struct node *n, struct place to)
{
	struct node *arg = n->call.args;
	enum space space;
	ref address, size = ir_const(b->fn, to.type->len);
	struct str text;
	int64_t length;

	if (literal_text(b->s, arg, &text) && (!arg->next || const_value(b->s, arg->next, &length))) {
		build_literal(b, to, literal_cut(b->s, arg, text));
		return 0;
	}
	address = build_address(b, arg, &space);
	if (arg->next && to.type->len >= n->type->len)
		size = build_limit(b, build_value(b, arg->next), to.type->len);
	else if (type_slot(to.type) > to.type->len)
		/* If it ends behind the capacity it is cut, and has no NUL to hide that. */
		size = ir_const(b->fn, to.type->len + 1);
	build_zero_bytes(b, to.base, to.off, type_slot(to.type));
	count_fault_at(b, arg, is_negative(b, build_read_string(b, space, to, size, address)), address);
	return 0;
}

/* A buffer: how many bytes, and the bytes. */
ref build_buf(struct build *b, struct node *n, struct place to)
{
	struct node *arg = n->call.args;
	struct place data = { to.base, to.off + 8, to.type };
	enum space space;
	ref address = build_address(b, arg, &space), size = ir_const(b->fn, to.type->len);
	ref args[3];

	if (arg->next)
		size = build_limit(b, build_value(b, arg->next), to.type->len);
	build_zero_bytes(b, to.base, to.off, type_slot(to.type));
	args[0] = place_address(b, data);
	args[1] = size;
	args[2] = address;
	count_fault_at(b, arg, ir_call(b->fn, read_helper(space), 3, args), address);
	ir_store(b->fn, to.base, to.off, size, 8);
	return 0;
}

ref build_strncmp(struct build *b, struct node *n, struct place to)
{
	struct node *l = n->call.args, *r = l->next;
	int64_t most = 0;
	ref equal;

	(void)to;
	const_value(b->s, r->next, &most);
	equal = build_string_equal(b, l, r, (uint64_t)most);
	return ir_append(b->fn, OP_EQ, equal, ir_const(b->fn, 0), 0, 8);
}

/* Addresses of either space. */
ref build_kptr(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return build_value(b, n->call.args);
}

ref build_uptr(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return build_value(b, n->call.args);
}

/* The kernel gives error numbers as addresses in the last page (include/linux/err.h). */
ref build_is_err(struct build *b, struct node *n, struct place to)
{
	enum { ERRNO_MAX = 4095 };

	(void)to;
	return ir_append(b->fn, OP_ULE, ir_const(b->fn, -ERRNO_MAX), build_value(b, n->call.args), 0, 8);
}

ref build_bswap(struct build *b, struct node *n, struct place to)
{
	ref v = build_value(b, n->call.args);

	(void)to;
	return n->type->size == 1 ? ir_append(b->fn, OP_EXT, v, 0, 0, 1)
				  : ir_append(b->fn, OP_SWAP, v, 0, 0, (uint8_t)n->type->size);
}

/* ---- what changes the system ------------------------------------------------------------ */

static ref signal_of(struct build *b, struct node *arg)
{
	struct str name;

	return arg->kind == N_STRING && literal_text(b->s, arg, &name) ? ir_const(b->fn, signal_number(name))
								       : build_value(b, arg);
}

ref build_signal(struct build *b, struct node *n, struct place to)
{
	ref args[] = { signal_of(b, n->call.args) };

	(void)to;
	return ir_call(b->fn, BPF_FUNC_send_signal, 1, args);
}

ref build_signal_thread(struct build *b, struct node *n, struct place to)
{
	ref args[] = { signal_of(b, n->call.args) };

	(void)to;
	return ir_call(b->fn, BPF_FUNC_send_signal_thread, 1, args);
}

ref build_override(struct build *b, struct node *n, struct place to)
{
	ref args[] = { b->ctx, build_value(b, n->call.args) };

	(void)to;
	return ir_call(b->fn, BPF_FUNC_override_return, 2, args);
}

/* Copied first: the helper takes what lies in memory of the program's own. */
ref build_write_user(struct build *b, struct node *n, struct place to)
{
	struct node *dst = n->call.args, *src = dst->next;
	struct place bytes = build_temp(b, type_buffer(&b->s->types, b->s->config.max_strlen));
	ref size = build_limit(b, build_value(b, src->next), b->s->config.max_strlen), args[3];
	enum space space;
	ref from = build_address(b, src, &space);

	(void)to;
	build_zero_bytes(b, bytes.base, bytes.off, type_slot(bytes.type));
	args[0] = place_address(b, bytes);
	args[1] = size;
	args[2] = from;
	ir_call(b->fn, space == SPACE_USER ? BPF_FUNC_probe_read_user : BPF_FUNC_probe_read_kernel, 3, args);
	args[0] = build_value(b, dst);
	args[1] = place_address(b, bytes);
	args[2] = size;
	return ir_append(b->fn, OP_EQ, ir_call(b->fn, BPF_FUNC_probe_write_user, 3, args), ir_const(b->fn, 0), 0, 8);
}

/* The format in memory, with its NUL, and up to three values. */
ref build_debugf(struct build *b, struct node *n, struct place to)
{
	ref args[5] = { 0 };
	uint32_t nargs = 2;
	struct place fmt;
	struct str text;

	(void)to;
	literal_text(b->s, n->call.args, &text);
	fmt = build_temp(b, type_string(&b->s->types, text.len + 1));
	build_literal(b, fmt, text);
	for (struct node *arg = n->call.args->next; arg; arg = arg->next) {
		enum space space;

		args[nargs++] = build_address(b, arg, &space);
	}
	args[0] = place_address(b, fmt);
	args[1] = ir_const(b->fn, text.len + 1);
	return ir_call(b->fn, BPF_FUNC_trace_printk, nargs, args);
}

ref build_socket_cookie(struct build *b, struct node *n, struct place to)
{
	ref args[] = { build_value(b, n->call.args) };

	(void)to;
	return ir_call(b->fn, BPF_FUNC_get_socket_cookie, 1, args);
}

/* d_path() writes from the end of its buffer and moves it to the front: what stood there may be left
 * behind the NUL. */
ref build_path(struct build *b, struct node *n, struct place to)
{
	struct place raw = scratch_temp(b, to.type);
	ref args[] = { build_value(b, n->call.args), place_address(b, raw), ir_const(b->fn, to.type->len) };

	build_zero_bytes(b, raw.base, raw.off, type_slot(raw.type));
	ir_call(b->fn, BPF_FUNC_d_path, 3, args);
	build_zero_bytes(b, to.base, to.off, type_slot(to.type));
	build_read_string(b, SPACE_KERNEL, to, ir_const(b->fn, to.type->len), place_address(b, raw));
	return 0;
}

/* check.c refuses these. */
ref build_unwatch(struct build *b, struct node *n, struct place to)
{
	(void)n;
	(void)to;
	return ir_const(b->fn, 0);
}

ref build_typeinfo(struct build *b, struct node *n, struct place to)
{
	return build_unwatch(b, n, to);
}

ref build_skboutput(struct build *b, struct node *n, struct place to)
{
	return build_unwatch(b, n, to);
}

/* Where the program has the interrupted registers. Else it runs in the kernel; begin and end in us. */
ref build_usermode(struct build *b, struct node *n, struct place to)
{
	enum bpf_prog_type type = b->ap->kind->type;
	bool x86 = !strcmp(arch_host()->name, "x86_64");
	int64_t mask = x86 ? 3 : 0xf; /* the privilege level in cs; the mode in pstate, 0: user */
	int16_t offset;
	ref mode;

	(void)n;
	(void)to;
	if ((type != BPF_PROG_TYPE_KPROBE && type != BPF_PROG_TYPE_PERF_EVENT) ||
	    !arch_register(x86 ? STR("cs") : STR("pstate"), &offset))
		return ir_const(b->fn, (b->ap->kind->provides & IS_SPECIAL) != 0);
	mode = ir_append(b->fn, OP_AND, build_ctx_load(b, offset, 8, false), ir_const(b->fn, mask), 0, 8);
	return ir_append(b->fn, OP_EQ, mode, ir_const(b->fn, x86 ? 3 : 0), 0, 8);
}

/* ---- maps ------------------------------------------------------------------------------- */

ref build_has_key(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return build_map_has(b, n->call.args);
}

ref build_delete(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return build_map_delete(b, n->call.args);
}

ref build_len(struct build *b, struct node *n, struct place to)
{
	struct node *of = n->call.args;

	(void)to;
	if (of->kind != N_MAP || of->map.key)
		return build_stack_length(b, of);
	/* The kernel doesn't tell which elements made room for others. */
	return of->map.map->lru ? build_elements(b, of->map.map) : ledger_read(b, LEDGER_MAP_LEN, of->map.map);
}
