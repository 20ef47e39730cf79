// SPDX-License-Identifier: Apache-2.0
/*
 * Access to what C's types describe: fields, elements, pointers.
 *
 * An expression such as p->a.b[2] stands for a place. It is remote if a pointer leads there: then only
 * following a pointer reads, with a helper, and all other steps are arithmetic on addresses, which folds.
 * A read that fails gives zeros; so the last read of a chain fails if any did, and that one is counted.
 * Else the place is in memory of our own (a variable, a map's value), where the program may load what it
 * wants.
 *
 * `args` is the program's context: scalars in it are loaded, the rest is read like remote memory; of a
 * kprobe, what the context or the stack has of the arguments.
 */
#include "codegen/builder.h"

static ref scaled(struct build *b, ref index, uint32_t size)
{
	return ir_append(b->fn, OP_MUL, index, ir_const(b->fn, size), 0, 8);
}

/* ---- the context ------------------------------------------------------------------------ */

static const struct field *args_field_of(struct build *b, const struct node *n)
{
	return type_field(b->target->args, n->member.name);
}

/* Where a __data_loc field's bytes are: the low half of the word is the offset in the record. */
static ref dynamic_address(struct build *b, const struct field *f)
{
	ref word = build_ctx_load(b, (int32_t)f->offset, 4, false);
	ref offset = ir_append(b->fn, OP_AND, word, ir_const(b->fn, 0xffff), 0, 8);

	if (f->rel_loc)
		offset = build_add(b, offset, ir_const(b->fn, f->offset + 4));
	return build_add(b, b->ctx, offset);
}

static ref args_address(struct build *b, const struct node *n)
{
	const struct field *f = args_field_of(b, n);

	if (b->ap->kind->type == BPF_PROG_TYPE_KPROBE)
		return build_argument_address(b, (uint32_t)f->offset / 8, f->type->size);
	return f->data_loc || f->rel_loc ? dynamic_address(b, f)
					 : build_add(b, b->ctx, ir_const(b->fn, f->offset));
}

static bool is_args_field(const struct node *n)
{
	return n->kind == N_MEMBER && is_args(n->member.base);
}

static ref element_of(struct build *, struct place array, struct node *);

/* args.f[i]: the verifier wants to know every offset into a context, so this is an element of a copy. */
static bool context_element(struct build *b, struct node *n, const struct field *f, ref *value)
{
	struct place copy;

	if (b->ap->kind->type == BPF_PROG_TYPE_KPROBE || b->ap->kind->arg || b->ap->kind->provides & HAS_CTX ||
	    f->data_loc || f->rel_loc)
		return false;
	copy = build_temp(b, n->bin.l->type);
	build_remote_into(b, n->bin.l, copy);
	*value = element_of(b, copy, n);
	return true;
}

/* args.f, or args.f[constant]: within the context's record, at a known offset. */
static bool build_from_context(struct build *b, struct node *n, ref *value)
{
	const struct field *f;
	int64_t i = 0;

	if (n->kind == N_INDEX && is_args_field(n->bin.l) && n->bin.l->type->kind == T_ARRAY) {
		f = args_field_of(b, n->bin.l);
		if (!const_value(b->s, n->bin.r, &i))
			return context_element(b, n, f, value);
	} else if (is_args_field(n)) {
		f = args_field_of(b, n);
	} else {
		return false;
	}
	if (b->ap->kind->provides & HAS_CTX)
		return false;
	if (b->ap->kind->arg) { /* words, one for each argument */
		*value = build_extended(b, b->ap->kind->arg(b, b->target, (int)f->offset / 8),
					scalar_width(n->type), n->type->sign);
		return true;
	}
	*value = build_ctx_load(b, (int32_t)(f->offset + (uint64_t)i * n->type->size),
				scalar_width(n->type), n->type->sign);
	return true;
}

/* ---- remote memory ---------------------------------------------------------------------- */

static ref remote_scalar(struct build *b, struct node *n, ref *failed);

/* A pointer that is to be followed. */
static ref link_value(struct build *b, struct node *n)
{
	ref failed;

	return is_remote(n) ? remote_scalar(b, n, &failed) : build_value(b, n);
}

ref build_remote_address(struct build *b, struct node *n)
{
	struct node *base = n->kind == N_MEMBER ? n->member.base : n->kind == N_UNARY ? n->un.e : n->bin.l;
	ref address;

	if (is_args_field(n))
		return args_address(b, n);
	address = n->kind == N_UNARY || base->type->kind == T_POINTER ? link_value(b, base)
								       : build_remote_address(b, base);
	if (n->kind == N_MEMBER)
		return build_add(b, address, ir_const(b->fn, member_field(b->s, n)->offset));
	if (n->kind == N_INDEX)
		return build_add(b, address, scaled(b, build_value(b, n->bin.r), n->type->size));
	return address;
}

void count_fault(struct build *b, const struct node *n, ref failed)
{
	struct fork k = fork_if(b, failed);

	ledger_add(b, LEDGER_FAULT, NULL, n->at, 1);
	fork_else(b, &k, 0);
	fork_join(b, &k, 0);
}

void count_fault_at(struct build *b, struct node *n, ref failed, ref address)
{
	struct fork k;

	if (in_memory(n->type) && !is_remote(n))
		return;
	k = fork_if(b, failed);
	count_fault(b, n, address);
	fork_else(b, &k, 0);
	fork_join(b, &k, 0);
}

static enum space space_of(const struct node *n)
{
	return is_args_field(n) ? SPACE_KERNEL : remote_space(n);
}

/* The bits of a bitfield, out of the word that its bytes were read into. */
static ref take_bits(struct build *b, ref word, const struct field *f)
{
	uint32_t up = 64 - f->bits - f->first_bit, down = 64 - f->bits;

	word = ir_append(b->fn, OP_SHL, word, ir_const(b->fn, up), 0, 8);
	return ir_append(b->fn, f->type->sign ? OP_SAR : OP_SHR, word, ir_const(b->fn, down), 0, 8);
}

static ref read_bits(struct build *b, struct node *n, const struct field *f, ref *failed)
{
	struct place word = build_temp(b, &type_uint64);
	ref address = build_remote_address(b, n);

	ir_store(b->fn, word.base, word.off, ir_const(b->fn, 0), 8);
	*failed = build_read(b, space_of(n), word, field_bytes(f), address);
	return take_bits(b, ir_load(b->fn, word.base, word.off, 8), f);
}

/* A scalar of `width` bytes in our own memory, extended as its type says. */
static ref load_scalar(struct build *b, ref base, int64_t off, const struct type *t)
{
	ref v = ir_load(b->fn, base, off, scalar_width(t));

	return t->sign ? ir_append(b->fn, OP_EXT, v, 0, 1, scalar_width(t)) : v;
}

static ref read_scalar(struct build *b, struct node *n, ref *failed)
{
	struct place word = build_temp(b, &type_uint64);
	ref address = build_remote_address(b, n);

	*failed = build_read(b, space_of(n), word, scalar_width(n->type), address);
	return load_scalar(b, word.base, word.off, n->type);
}

/* *failed: not zero if it could not be read; 0: there is nothing to fail. */
static ref remote_scalar(struct build *b, struct node *n, ref *failed)
{
	const struct field *f = n->kind == N_MEMBER && !is_args_field(n) ? member_field(b->s, n) : NULL;
	ref v;

	*failed = 0;
	if (build_from_context(b, n, &v))
		return v;
	return f && f->bits ? read_bits(b, n, f, failed) : read_scalar(b, n, failed);
}

ref build_remote_scalar(struct build *b, struct node *n)
{
	ref failed, v = remote_scalar(b, n, &failed);

	if (failed)
		count_fault(b, n, failed);
	return v;
}

void build_remote_into(struct build *b, struct node *n, struct place to)
{
	bool cut = n->type->size > to.type->size && type_slot(to.type) > to.type->size;
	uint32_t size = n->type->size < to.type->size ? n->type->size : to.type->size + cut;
	ref address = build_remote_address(b, n);

	build_zero_bytes(b, to.base, to.off, type_slot(to.type));
	if (to.type->kind == T_BUFFER)
		build_read(b, space_of(n), to, n->type->size, address);
	else if (size)
		count_fault(b, n, to.type->kind == T_STRING
				  ? is_negative(b, build_read_string(b, space_of(n), to,
								     ir_const(b->fn, size), address))
				  : build_read(b, space_of(n), to, size, address));
}

/* ---- our own memory --------------------------------------------------------------------- */

static struct place tuple_member(struct build *b, struct node *n)
{
	struct node *tuple = n->kind == N_MEMBER ? n->member.base : n->bin.l;
	struct place base = build_memory(b, tuple);
	const struct field *f;
	int64_t i = 0;

	if (n->kind == N_MEMBER) {
		f = type_field(tuple->type, n->member.name);
	} else {
		const_value(b->s, n->bin.r, &i);
		f = &tuple->type->fields[i];
	}
	return (struct place){ base.base, base.off + f->offset, f->type };
}

struct place build_own_place(struct build *b, struct node *n)
{
	struct node *base = n->kind == N_MEMBER ? n->member.base : n->bin.l;
	struct place p;
	int64_t i = 0;

	if (base->type->kind == T_TUPLE)
		return tuple_member(b, n);
	p = base->kind == N_MEMBER || base->kind == N_INDEX ? build_own_place(b, base) : build_memory(b, base);
	if (n->kind == N_MEMBER) {
		p.off += member_field(b->s, n)->offset;
	} else {
		const_value(b->s, n->bin.r, &i);
		p.off += i * n->type->size;
	}
	p.type = n->type;
	return p;
}

/* The verifier lets a stack be loaded from only at addresses that are multiples of the size. */
static ref load_unaligned(struct build *b, struct place p, const struct type *t)
{
	struct place word = build_temp(b, &type_uint64);
	ref args[] = { place_address(b, word), ir_const(b->fn, scalar_width(t)), place_address(b, p) };

	ir_call(b->fn, BPF_FUNC_probe_read_kernel, 3, args);
	return load_scalar(b, word.base, word.off, t);
}

static ref own_bits(struct build *b, struct place p, const struct field *f)
{
	struct place word = build_temp(b, &type_uint64);
	ref args[] = { place_address(b, word), ir_const(b->fn, field_bytes(f)), place_address(b, p) };

	ir_store(b->fn, word.base, word.off, ir_const(b->fn, 0), 8);
	ir_call(b->fn, BPF_FUNC_probe_read_kernel, 3, args);
	return take_bits(b, ir_load(b->fn, word.base, word.off, 8), f);
}

/* An element that is known only at run time, of an array that lies there: zero if it is beyond its end. */
static ref element_of(struct build *b, struct place array, struct node *n)
{
	ref i = build_value(b, n->bin.r), address;
	struct fork k = fork_if(b, ir_append(b->fn, OP_ULT, i, ir_const(b->fn, n->bin.l->type->len), 0, 8));

	address = build_add(b, place_address(b, array), scaled(b, i, n->type->size));
	fork_else(b, &k, load_unaligned(b, (struct place){ address, 0, n->type }, n->type));
	return fork_join(b, &k, ir_const(b->fn, 0));
}

static ref own_element(struct build *b, struct node *n)
{
	struct node *array = n->bin.l;

	return element_of(b, array->kind == N_MEMBER || array->kind == N_INDEX ? build_own_place(b, array)
									       : build_memory(b, array), n);
}

ref build_own_scalar(struct build *b, struct node *n)
{
	const struct type *base = n->kind == N_MEMBER ? n->member.base->type : n->bin.l->type;
	const struct field *f;
	struct place p;
	int64_t i;

	if (n->kind == N_INDEX && base->kind != T_TUPLE && !const_value(b->s, n->bin.r, &i))
		return own_element(b, n);
	p = build_own_place(b, n);
	if (base->kind == T_TUPLE)
		return ir_load(b->fn, p.base, p.off, 8);
	f = n->kind == N_MEMBER ? member_field(b->s, n) : NULL;
	if (f && f->bits)
		return own_bits(b, p, f);
	return p.off % scalar_width(n->type) ? load_unaligned(b, p, n->type)
					     : load_scalar(b, p.base, p.off, n->type);
}
