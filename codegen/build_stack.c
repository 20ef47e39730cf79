// SPDX-License-Identifier: Apache-2.0
/*
 * Stacks. A stack is read into scratch memory, and kept once, in a map of its own, under a 64-bit hash
 * of its addresses; what keys, values and records hold is that hash (its id) and how many frames there
 * are. So a key of stacks costs no more than one of two numbers, however deep they are.
 *
 * The kernel's own way to do so, bpf_get_stackid(), drops a stack whose hash meets another's. Here
 * nothing is dropped or merged in silence: a second hash, independent of the first, is kept beside the
 * addresses, and a stack that meets another's id is counted in the ledger, as is one that finds no
 * room.
 */
#include "codegen/builder.h"

#include <errno.h>

/* An entry of the map: the second hash, and the addresses (words). */
enum { ENTRY_CHECK = 0, ENTRY_WORDS = 8 };

struct stack {
	uint32_t map;       /* index in image.maps */
	uint32_t frame;     /* words of a frame */
	struct place entry; /* in scratch memory, as it will be kept */
	ref frames;         /* how many there are */
	ref id, check;
};

static ref op2(struct build *b, enum op op, ref x, ref y)
{
	return ir_append(b->fn, op, x, y, 0, 8);
}

static ref op2c(struct build *b, enum op op, ref x, int64_t y)
{
	return op2(b, op, x, ir_const(b->fn, y));
}

/* Stirs one more word into a hash. */
static ref stir(struct build *b, ref hash, ref word, int64_t odd, int shift)
{
	ref mixed = op2c(b, OP_MUL, op2(b, OP_XOR, hash, word), odd);

	return op2(b, OP_XOR, mixed, op2c(b, OP_SHR, mixed, shift));
}

/* Both hashes of the first `words` words. The loop's number is compared with a constant, too: so the
 * verifier knows that it ends, and where it reads. */
static void build_hashes(struct build *b, struct stack *st, ref words, uint32_t most)
{
	struct fn *f = b->fn;
	uint32_t head = ir_block(f), more = ir_block(f), body = ir_block(f), done = ir_block(f);
	uint32_t mark = ir_scope(f);
	ref i = ir_phi(f), id = ir_phi(f), check = ir_phi(f), word, next_id, next_check, next;

	ir_set(f, i, ir_const(f, 0));
	ir_set(f, id, ir_const(f, 0x243f6a8885a308d3));
	ir_set(f, check, ir_const(f, 0x13198a2e03707344));
	ir_jump(f, head);
	ir_enter(f, head);
	ir_place(f, head, i);
	ir_place(f, head, id);
	ir_place(f, head, check);
	ir_branch(f, op2c(b, OP_EQ, i, most), done, more);
	ir_enter(f, more);
	ir_branch(f, op2(b, OP_EQ, i, words), done, body);
	ir_enter(f, body);
	word = op2(b, OP_ADD, place_address(b, st->entry), op2c(b, OP_SHL, i, 3));
	word = ir_load(f, word, ENTRY_WORDS, 8);
	next_id = stir(b, id, word, (int64_t)0x9e3779b97f4a7c15, 29);
	next_check = stir(b, check, word, (int64_t)0xc2b2ae3d27d4eb4f, 32);
	next = op2c(b, OP_ADD, i, 1);
	ir_set(f, i, next);
	ir_set(f, id, next_id);
	ir_set(f, check, next_check);
	ir_jump(f, head);
	f->blocks.v[head].loop_end = f->order.v[f->order.n - 1];
	ir_unscope(f, mark);
	ir_enter(f, done);
	st->id = id;
	st->check = check;
}

static void count_when(struct build *b, ref cond, enum ledger_kind kind)
{
	struct fork k = fork_if(b, cond);
	struct span nowhere = { 0, 0 };

	ledger_add(b, kind, NULL, nowhere, 1);
	fork_else(b, &k, 0);
	fork_join(b, &k, 0);
}

/* Puts it into a map; the result tells whether that failed. Another CPU may just have done the same. */
static ref build_put(struct build *b, uint32_t map, ref key, ref value)
{
	ref args[] = { ir_append(b->fn, OP_MAPFD, 0, 0, map, 8), key, value, ir_const(b->fn, BPF_NOEXIST) };
	ref r = ir_append(b->fn, OP_EXT, ir_call(b->fn, BPF_FUNC_map_update_elem, 4, args), 0, 1, 4);

	ir_clobber(b->fn);
	return op2(b, OP_AND, op2c(b, OP_NE, r, 0), op2c(b, OP_NE, r, -EEXIST));
}

/* Keeps the stack if it is new; else makes sure that it is the same. */
static void build_keep(struct build *b, const struct stack *st)
{
	struct fn *f = b->fn;
	struct place key = build_temp(b, &type_uint64);
	ref at, value, found, failed;
	struct fork k, again;

	ir_store(f, key.base, key.off, st->id, 8);
	at = place_address(b, key);
	value = place_address(b, st->entry);
	ir_clobber(f);
	found = ir_append(f, OP_LOOKUP, at, 0, st->map, 8);
	k = fork_if(b, found);
	count_when(b, op2(b, OP_NE, ir_load(f, found, ENTRY_CHECK, 8), st->check), LEDGER_STACK_CLASH);
	fork_else(b, &k, 0);
	failed = build_put(b, st->map, at, value);
	if (st->map == IMAGE_STACKS) {
		again = fork_if(b, failed);
		count_when(b, build_put(b, IMAGE_SPARE, at, value), LEDGER_STACK_FULL);
		fork_else(b, &again, 0);
		fork_join(b, &again, 0);
	} else {
		count_when(b, failed, LEDGER_STACK_FULL);
	}
	fork_join(b, &k, 0);
}

/* The words behind the frames that this use reads are another's; nobody looks at them. */
static void keep_frames(struct build *b, const struct type *t, struct stack *st, struct place to)
{
	ref owner = ir_const(b->fn, 0);

	if (t->space == SPACE_USER)
		owner = op2c(b, OP_SHL, build_own_pid(b), 32);
	build_hashes(b, st, op2c(b, OP_MUL, st->frames, st->frame), t->len * st->frame);
	ir_store(b->fn, st->entry.base, st->entry.off + ENTRY_CHECK, st->check, 8);
	ir_store(b->fn, to.base, to.off + STACK_ID, st->id, 8);
	ir_store(b->fn, to.base, to.off + STACK_FRAMES, op2(b, OP_OR, owner, st->frames), 8);
	build_keep(b, st);
}

static ref build_stack(struct build *b, struct node *n, struct place to)
{
	const struct type *t = n->type, *entry;
	bool build_ids = t->mode == STACK_BUILD_ID;
	struct stack st = { .map = build_ids ? IMAGE_BUILD_IDS : IMAGE_STACKS,
			    .frame = build_ids ? STACK_BUILD_ID_WORDS : 1 };
	uint32_t size = t->len * st.frame * 8;
	int64_t flags = (t->space == SPACE_USER ? BPF_F_USER_STACK : 0) |
			(build_ids ? BPF_F_USER_BUILD_ID : 0);
	ref args[] = { b->ctx, 0, ir_const(b->fn, size), ir_const(b->fn, flags) }, got;
	struct fork k;

	build_zero_bytes(b, to.base, to.off, type_slot(to.type));
	if (!size)
		return 0;
	entry = type_array(&b->s->types, &type_uint64, b->image->maps.v[st.map].value_size / 8, SPACE_NONE);
	st.entry = scratch_temp(b, entry);
	args[1] = place_address(b, (struct place){ st.entry.base, st.entry.off + ENTRY_WORDS, entry });
	got = ir_call(b->fn, BPF_FUNC_get_stack, 4, args);
	k = fork_if(b, op2(b, OP_LT, ir_const(b->fn, 0), got));
	st.frames = op2c(b, OP_SHR, got, build_ids ? 5 : 3);
	keep_frames(b, t, &st, to);
	fork_else(b, &k, 0);
	fork_join(b, &k, 0);
	return 0;
}

ref build_usym(struct build *b, struct node *n, struct place to)
{
	b->image->names_processes = true;
	ir_store(b->fn, to.base, to.off + USYM_ADDRESS, build_value(b, n->call.args), 8);
	ir_store(b->fn, to.base, to.off + USYM_PID, build_own_pid(b), 8);
	return 0;
}

ref build_reg(struct build *b, struct node *n, struct place to)
{
	struct str name;
	int16_t offset = 0;

	(void)to;
	if (literal_text(b->s, n->call.args, &name))
		arch_register(name, &offset);
	return build_ctx_load(b, offset, 8, false);
}

/* At a uprobe the instruction pointer is the probe's address. */
ref build_uaddr(struct build *b, struct node *n, struct place to)
{
	ref ip = build_ctx_load(b, arch_host()->ip, 8, false);
	struct str name;

	(void)to;
	literal_text(b->s, n->call.args, &name);
	return op2c(b, OP_ADD, ip, uaddr_find(b->s, b->target, name)->distance);
}

ref build_stack_length(struct build *b, struct node *n)
{
	struct place stack = build_memory(b, n);

	return ir_load(b->fn, stack.base, stack.off + STACK_FRAMES, 4);
}

ref build_kstack(struct build *b, struct node *n, struct place to)
{
	return build_stack(b, n, to);
}

ref build_ustack(struct build *b, struct node *n, struct place to)
{
	b->image->names_processes = true;
	return build_stack(b, n, to);
}
