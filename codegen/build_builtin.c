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

WORD(pid)
{
	return high_half(b, steady(b, BPF_FUNC_get_current_pid_tgid));
}

WORD(tid)
{
	return low_half(b, steady(b, BPF_FUNC_get_current_pid_tgid));
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

WORD(nsecs)
{
	return fresh(b, BPF_FUNC_ktime_get_boot_ns);
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

WORD(probe)
{
	build_literal(b, to, str_of(b->target->text));
	return 0;
}

ref build_argn(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return b->ap->kind->arg(b, b->target, builtin_argn(n->name.name));
}

WORD(retval)
{
	return b->ap->kind->arg(b, b->target, -1);
}

WORD(func)
{
	return b->ap->kind->arg(b, b->target, -2);
}

/* Only its fields have values. */
WORD(args)
{
	return ir_const(b->fn, 0);
}

/* ---- functions -------------------------------------------------------------------------- */

ref build_ksym(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return build_value(b, n->call.args);
}

ref build_kaddr(struct build *b, struct node *n, struct place to)
{
	struct ksyms *ksyms = ksyms_open();
	struct str name;
	uint64_t address;
	bool found;

	(void)to;
	literal_text(b->s, n->call.args, &name);
	address = ksyms_address(ksyms, name, &found);
	ksyms_close(ksyms);
	return ir_const(b->fn, (int64_t)address);
}

/* The time stamp; its format is in its type. */
ref build_strftime(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return build_value(b, n->call.args->next);
}

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

void build_read_string(struct build *b, enum space space, struct place to, ref size, ref address)
{
	ref args[] = { place_address(b, to), size, address };

	ir_call(b->fn, space == SPACE_KERNEL ? BPF_FUNC_probe_read_kernel_str
		: space == SPACE_USER ? BPF_FUNC_probe_read_user_str : BPF_FUNC_probe_read_str, 3, args);
}

/* An address of the traced system: a number, or (arrays) where the array stands. */
static ref address_of(struct build *b, struct node *n, enum space *space)
{
	*space = address_space(n->type);
	if (!in_memory(n->type))
		return build_value(b, n);
	*space = SPACE_KERNEL;
	return place_address(b, build_memory(b, n));
}

ref build_str(struct build *b, struct node *n, struct place to)
{
	struct node *arg = n->call.args;
	enum space space;
	ref address, size = ir_const(b->fn, to.type->len);
	struct str text;

	if (literal_text(b->s, arg, &text)) {
		build_literal(b, to, literal_cut(b->s, arg, text));
		return 0;
	}
	address = address_of(b, arg, &space);
	if (arg->next)
		size = build_limit(b, build_value(b, arg->next), to.type->len);
	build_zero_bytes(b, to.base, to.off, type_slot(to.type));
	build_read_string(b, space, to, size, address);
	return 0;
}

/* A buffer: how many bytes, and the bytes. */
ref build_buf(struct build *b, struct node *n, struct place to)
{
	struct node *arg = n->call.args;
	struct place data = { to.base, to.off + 8, to.type };
	enum space space;
	ref address = address_of(b, arg, &space), size = ir_const(b->fn, to.type->len);
	ref args[3];

	if (arg->next)
		size = build_limit(b, build_value(b, arg->next), to.type->len);
	build_zero_bytes(b, to.base, to.off, type_slot(to.type));
	args[0] = place_address(b, data);
	args[1] = size;
	args[2] = address;
	ir_call(b->fn, space == SPACE_KERNEL ? BPF_FUNC_probe_read_kernel
		: space == SPACE_USER ? BPF_FUNC_probe_read_user : BPF_FUNC_probe_read, 3, args);
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

ref build_delete(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return build_map_delete(b, n->call.args);
}

ref build_len(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return ledger_read(b, LEDGER_MAP_LEN, n->call.args->map.map);
}
