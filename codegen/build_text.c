// SPDX-License-Identifier: Apache-2.0
/*
 * Strings and what prints as text: lengths, concatenation, and the values that the runtime turns into
 * names. The kernel's string reader copies within a program's own memory, too, and says how long the
 * string was: no loop is needed for that.
 */
#include "codegen/builder.h"

#include <sys/socket.h>

/* ---- strings ---------------------------------------------------------------------------- */

/* Copies a string, with its NUL, behind the first `after` bytes of `to`; how long it is. */
static ref append_string(struct build *b, struct place to, ref after, struct node *n)
{
	struct place from = build_memory(b, n);
	ref address = build_add(b, place_address(b, to), after);
	ref args[] = { address, ir_const(b->fn, from.type->len), place_address(b, from) }, length;

	length = ir_call(b->fn, BPF_FUNC_probe_read_kernel_str, 3, args);
	/* It can't fail on memory of our own, but the verifier wants to see the bounds. */
	return build_limit(b, ir_append(b->fn, OP_SUB, length, ir_const(b->fn, 1), 0, 8), from.type->len - 1);
}

ref build_strlen(struct build *b, struct node *n, struct place to)
{
	struct node *arg = n->call.args;
	struct str text;

	(void)to;
	if (literal_text(b->s, arg, &text))
		return ir_const(b->fn, text.len);
	return append_string(b, build_temp(b, arg->type), ir_const(b->fn, 0), arg);
}

/* In scratch memory: only there may a helper write behind an offset that it only knows when it runs. */
ref build_str_concat(struct build *b, struct node *n, struct place to)
{
	struct node *l = n->call.args, *r = l->next;
	const struct type *both = type_string(&b->s->types, l->type->len + r->type->len);
	struct place sum = scratch_temp(b, both);
	ref length;

	build_zero_bytes(b, sum.base, sum.off, type_slot(both));
	length = append_string(b, sum, ir_const(b->fn, 0), l);
	append_string(b, sum, length, r);
	/* What is longer than `to` fills it, without a NUL: it is cut. */
	build_copy(b, to, (struct place){ sum.base, sum.off, to.type });
	return 0;
}

/* ---- numbers that print as names -------------------------------------------------------- */

#define NUMBER(name)                                                                               \
	ref build_##name(struct build *b, struct node *n, struct place to __attribute__((unused))) \
	{                                                                                          \
		return build_value(b, n->call.args);                                               \
	}

NUMBER(ksym)
NUMBER(strerror)
NUMBER(signal_name)
NUMBER(syscall_name)
NUMBER(cgroup_path)

/* The time stamp; its format is in its type. */
ref build_strftime(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return build_value(b, n->call.args->next);
}

/* ---- addresses -------------------------------------------------------------------------- */

/* Bytes that an array or a pointer stands for, in 16 that begin with them. */
static void address_into(struct build *b, struct node *n, struct place to, uint32_t size)
{
	enum space space;
	ref address;

	ir_store(b->fn, to.base, to.off, ir_const(b->fn, 0), 8);
	ir_store(b->fn, to.base, to.off + 8, ir_const(b->fn, 0), 8);
	if (type_is_integer(n->type)) {
		ir_store(b->fn, to.base, to.off, build_value(b, n), 4);
		return;
	}
	address = build_address(b, n, &space);
	count_fault_at(b, n, build_read(b, space, to, size, address), address);
}

/* The family as given, or as the address's size says. */
ref build_ntop(struct build *b, struct node *n, struct place to)
{
	struct node *first = n->call.args, *address = first->next ? first->next : first;
	const struct type *t = address->type;
	uint32_t size = t->kind == T_POINTER || t->size == 16 ? 16 : 4;
	ref family = first->next ? build_value(b, first) : ir_const(b->fn, size == 16 ? AF_INET6 : AF_INET);

	ir_store(b->fn, to.base, to.off, family, 8);
	address_into(b, address, (struct place){ to.base, to.off + 8, to.type }, size);
	return 0;
}

ref build_macaddr(struct build *b, struct node *n, struct place to)
{
	enum space space;
	ref address = build_address(b, n->call.args, &space);
	struct place bytes = build_temp(b, &type_uint64);

	(void)to;
	ir_store(b->fn, bytes.base, bytes.off, ir_const(b->fn, 0), 8);
	count_fault_at(b, n->call.args, build_read(b, space, bytes, 6, address), address);
	return ir_load(b->fn, bytes.base, bytes.off, 8);
}

/* ---- bytes ------------------------------------------------------------------------------ */

/* The first bytes of a value or of what an address points to. */
static struct place bytes_of(struct build *b, struct node *n, uint32_t size)
{
	enum space space;
	ref address = build_address(b, n, &space);
	struct place copy = build_temp(b, type_buffer(&b->s->types, size));

	build_zero_bytes(b, copy.base, copy.off, type_slot(copy.type));
	count_fault_at(b, n, build_read(b, space, copy, size, address), address);
	return copy;
}

/* From the last byte to the first: what differs there decides. */
ref build_memcmp(struct build *b, struct node *n, struct place to)
{
	struct node *l = n->call.args, *r = l->next;
	ref result = ir_const(b->fn, 0);
	struct place x, y;
	int64_t size = 0;

	(void)to;
	const_value(b->s, r->next, &size);
	if (!size)
		return result;
	x = bytes_of(b, l, (uint32_t)size);
	y = bytes_of(b, r, (uint32_t)size);
	for (int64_t i = size - 1; i >= 0; i--) {
		ref p = ir_load(b->fn, x.base, x.off + i, 1), q = ir_load(b->fn, y.base, y.off + i, 1);
		ref keep = ir_append(b->fn, OP_EQ, p, q, 0, 8);
		/* 1 or -1 */
		ref sign = ir_append(b->fn, OP_SUB, ir_append(b->fn, OP_ULT, q, p, 0, 8),
				     ir_append(b->fn, OP_ULT, p, q, 0, 8), 0, 8);

		result = ir_append(b->fn, OP_ADD, sign, ir_append(b->fn, OP_MUL, result, keep, 0, 8), 0, 8);
	}
	return result;
}
