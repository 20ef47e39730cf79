// SPDX-License-Identifier: Apache-2.0
/*
 * What a probe's target gives: arguments, results, names; and what the probe kinds build these from.
 *
 * One program may serve many targets. What differs between them then is looked up: the kernel tells
 * the program which it is at (the cookie of the link, the target's index), and a map has the facts.
 */
#include "codegen/builder.h"

/* ---- for the probe kinds ---------------------------------------------------------------- */

ref build_ctx_address(struct build *b, uint32_t offset)
{
	return build_add(b, b->ctx, ir_const(b->fn, offset));
}

ref build_kernel_read(struct build *b, ref address)
{
	return build_read_scalar(b, address, SPACE_KERNEL, &type_uint64);
}

ref build_extended(struct build *b, ref v, uint32_t size, bool sign)
{
	return size < 8 ? ir_append(b->fn, OP_EXT, v, 0, sign, (uint8_t)size) : v;
}

ref build_user_read(struct build *b, ref address, uint32_t size, bool sign)
{
	return build_read_scalar(b, address, SPACE_USER, type_int(size, sign));
}

ref build_scaled(struct build *b, ref a, uint64_t factor)
{
	return ir_append(b->fn, OP_MUL, a, ir_const(b->fn, (int64_t)factor), 0, 8);
}

ref build_failed(struct build *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	b->fn->failure = arena_vprintf(&b->s->work, fmt, ap);
	va_end(ap);
	return ir_const(b->fn, 0);
}

/* Two registers, in memory: they don't lie together in the context. */
static ref two_words(struct build *b, uint32_t n)
{
	const struct type *words = type_array(&b->s->types, &type_uint64, 2, SPACE_NONE);
	struct place copy = build_temp(b, words);

	for (uint32_t i = 0; i < 2; i++)
		ir_store(b->fn, copy.base, copy.off + 8 * i, build_ctx_load(b, arch_host()->arg[n + i], 8, false), 8);
	return place_address(b, copy);
}

ref build_argument_address(struct build *b, uint32_t n, uint32_t size)
{
	const struct arch *arch = arch_host();

	if (n < arch->nargs)
		return size > 8 ? two_words(b, n) : build_add(b, b->ctx, build_const(b, arch->arg[n]));
	return build_add(b, build_ctx_load(b, arch->sp, 8, false),
			 build_const(b, arch->stack_args + 8 * (int64_t)(n - arch->nargs)));
}

ref build_argument(struct build *b, uint32_t n, bool user)
{
	const struct arch *arch = arch_host();

	if (n < arch->nargs)
		return build_ctx_load(b, arch->arg[n], 8, false);
	return build_read_scalar(b, build_argument_address(b, n, 8), user ? SPACE_USER : SPACE_KERNEL,
				 &type_uint64);
}

/* Where functions begin with a landing pad for indirect branches (ENDBR) the probe stands behind that:
 * kernels have them since 5.18, and the helper since 5.15. */
bool build_func_ip(struct build *b, ref *address)
{
	struct features f;

	features_read(&b->s->work, &f);
	if (f.release < (5 << 16 | 18 << 8))
		return false;
	*address = ir_call(b->fn, BPF_FUNC_get_func_ip, 1, &b->ctx);
	return true;
}

ref build_symbol(struct build *b, struct str name)
{
	bool found;

	return ir_const(b->fn, (int64_t)ksyms_address(script_ksyms(b->s), name, &found));
}

ref build_argn(struct build *b, struct node *n, struct place to)
{
	(void)to;
	return b->ap->kind->arg(b, b->target, builtin_argn(n->name.name));
}

/* A register or word holds it, and only as much of that as its type has means something. */
ref build_retval(struct build *b, struct node *n, struct place to)
{
	ref word = b->ap->kind->arg(b, b->target, -1);

	(void)to;
	return build_extended(b, word, scalar_width(n->type), n->type->sign);
}

/* ---- names and addresses ---------------------------------------------------------------- */

/* The map with what this program's targets are. */
static uint32_t fact_map(struct build *b, enum target_fact fact, uint32_t size)
{
	if (!b->facts[fact]) {
		b->facts[fact] = b->image->maps.n;
		*vec_push(&b->s->arena, &b->image->maps) = (struct image_map){
			.name = "xbt_targets", .type = BPF_MAP_TYPE_ARRAY, .key_size = 4,
			.value_size = size, .max_entries = b->ap->targets.n,
			.targets = b->target, .fact = fact,
		};
	}
	return b->facts[fact];
}

static ref fact_of_target(struct build *b, enum target_fact fact, uint32_t size)
{
	uint32_t map = fact_map(b, fact, size);
	ref index = ir_call(b->fn, BPF_FUNC_get_attach_cookie, 1, &b->ctx);

	return ir_append(b->fn, OP_LOOKUP, ir_key(b->fn, index), 0, map, 8);
}

static void build_text(struct build *b, enum target_fact fact, const char *only, struct place to)
{
	struct fork k;
	ref text;

	if (!b->by_cookie) {
		build_literal(b, to, str_of(only));
		return;
	}
	text = fact_of_target(b, fact, type_slot(to.type));
	k = fork_if(b, text);
	build_copy(b, to, (struct place){ text, 0, to.type });
	fork_else(b, &k, 0);
	build_zero_bytes(b, to.base, to.off, type_slot(to.type));
	fork_join(b, &k, 0);
}

static ref function_address(struct build *b)
{
	ref number = fact_of_target(b, FACT_ADDRESS, 8);
	struct fork k = fork_if(b, number);

	fork_else(b, &k, ir_load(b->fn, number, 0, 8));
	return fork_join(b, &k, ir_const(b->fn, 0));
}

ref build_probe(struct build *b, struct node *n, struct place to)
{
	(void)n;
	build_text(b, FACT_TEXT, b->target->text, to);
	return 0;
}

/* A user's function by name, a kernel's by its address: the only target's, or the registers tell. */
ref build_func(struct build *b, struct node *n, struct place to)
{
	(void)n;
	if (b->p->provides & IS_USER) {
		build_text(b, FACT_NAME, b->target->name, to);
		return 0;
	}
	return b->by_cookie && b->ap->kind->differs & HAS_FUNC ? function_address(b)
							      : b->ap->kind->arg(b, b->target, -2);
}
