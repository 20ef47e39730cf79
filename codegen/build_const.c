// SPDX-License-Identifier: Apache-2.0
/*
 * Builtins whose value is known while compiling: words about the machine and the command line,
 * questions about types, and what only the checker looks at.
 */
#include "codegen/builder.h"

#include <string.h>

#define CONSTANT(name)                                                                             \
	ref build_##name(struct build *b, struct node *n, struct place to __attribute__((unused)))

/* What const_value() knows never comes here. */
static ref known(struct build *b, struct node *n)
{
	int64_t v = 0;

	const_value(b->s, n, &v);
	return ir_const(b->fn, v);
}

CONSTANT(ncpus) { return known(b, n); }
CONSTANT(has_cpid) { return known(b, n); }
CONSTANT(is_str) { return known(b, n); }
CONSTANT(is_ptr) { return known(b, n); }
CONSTANT(is_array) { return known(b, n); }
CONSTANT(is_integer) { return known(b, n); }
CONSTANT(is_unsigned_integer) { return known(b, n); }
CONSTANT(is_literal) { return known(b, n); }
CONSTANT(strcap) { return known(b, n); }
CONSTANT(fail) { return known(b, n); }
CONSTANT(static_assert) { return known(b, n); }

ref build_getopt(struct build *b, struct node *n, struct place to)
{
	struct str text;

	if (!literal_text(b->s, n, &text))
		return known(b, n);
	build_literal(b, to, text);
	return 0;
}

ref build_probetype(struct build *b, struct node *n, struct place to)
{
	(void)n;
	build_literal(b, to, probe_kind_type(b->ap->kind));
	return 0;
}

static uint64_t symbol_address(struct build *b, struct node *literal)
{
	struct str name;
	uint64_t address;
	bool found;

	literal_text(b->s, literal, &name);
	address = ksyms_address(script_ksyms(b->s), name, &found);
	return address;
}

ref build_kaddr(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return ir_const(b->fn, (int64_t)symbol_address(b, n->call.args));
}

/* A symbol of per-CPU data says where the first CPU's stands, so to speak; the kernel's table
 * __per_cpu_offset has how far it is from there to each CPU's (include/asm-generic/percpu.h). */
ref build_percpu_kaddr(struct build *b, struct node *n, struct place to)
{
	struct node table = { .kind = N_STRING, .str = STR("__per_cpu_offset") };
	ref address = ir_const(b->fn, (int64_t)symbol_address(b, n->call.args)), cpu, offset, there;
	struct fork k;

	(void)to;
	cpu = n->call.args->next ? build_value(b, n->call.args->next) : build_cpu(b, n, to);
	k = fork_if(b, ir_append(b->fn, OP_ULT, cpu, ir_const(b->fn, cpus_possible()), 0, 8));
	offset = ir_append(b->fn, OP_SHL, cpu, ir_const(b->fn, 3), 0, 8);
	offset = build_read_scalar(b, build_add(b, ir_const(b->fn, (int64_t)symbol_address(b, &table)), offset),
				   SPACE_KERNEL, &type_uint64);
	there = build_add(b, address, offset);
	fork_else(b, &k, there);
	return fork_join(b, &k, ir_const(b->fn, 0));
}

ref build_cgroupid(struct build *b, struct node *n, struct place to)
{
	struct str path;
	uint64_t id = 0;

	(void)to;
	literal_text(b->s, n->call.args, &path);
	cgroup_id(&b->s->work, path, &id);
	return ir_const(b->fn, (int64_t)id);
}

ref build_pton(struct build *b, struct node *n, struct place to)
{
	struct str text;
	uint8_t bytes[16] = { 0 };
	int64_t word;

	literal_text(b->s, n->call.args, &text);
	address_bytes(text, bytes);
	for (uint32_t i = 0; i < type_slot(to.type); i += 8) {
		memcpy(&word, bytes + i, 8);
		ir_store(b->fn, to.base, to.off + i, ir_const(b->fn, word), 8);
	}
	return 0;
}
