// SPDX-License-Identifier: Apache-2.0
/*
 * Appending to the IR. Folding and merging of equal values happen here, as instructions arrive, so
 * there is no folding pass and no pass for common subexpressions.
 *
 * Merging needs dominance: a value computed on one side of a branch must not be used after the join.
 * Since the language is structured, the builder opens a scope (ir_scope) at each branch and closes it
 * behind; the numbering table is a stack.
 */
#include "codegen/ir.h"

const struct op_info op_info[OPS] = {
#define V true
#define N false
#define OP(id, name, operands, class, result) [OP_##id] = { name, operands, CLASS_##class, result },
#include "codegen/ops.def"
#undef OP
#undef V
#undef N
};

enum { HEADS_FIRST = 4096 };

struct fn *ir_new(struct arena *a, const char *name)
{
	struct fn *f = arena_alloc(a, sizeof *f);

	f->arena = a;
	f->name = name;
	f->program = f;
	f->nheads = HEADS_FIRST;
	f->heads = arena_alloc(a, f->nheads * sizeof *f->heads);
	vec_push(a, &f->ins); /* 0 is "none", in all three */
	vec_push(a, &f->blocks);
	vec_push(a, &f->numbers);
	f->current = ir_block(f);
	f->blocks.v[f->current].preds = 1;
	*vec_push(a, &f->order) = f->current;
	return f;
}

uint32_t ir_operands(const struct ins *i)
{
	uint32_t n = op_info[i->op].operands;

	while (i->op == OP_HELPER && n && !i->arg[n - 1])
		n--;
	return n;
}

bool ir_is_const(const struct fn *f, ref r, int64_t *v)
{
	*v = f->ins.v[r].imm;
	return f->ins.v[r].op == OP_CONST;
}

bool ir_is_material(const struct fn *f, ref r)
{
	switch (f->ins.v[r].op) {
	case OP_CONST:
	case OP_MAPFD:
	case OP_MAPVAL:
	case OP_FUNC:
	case OP_SLOT:
	case OP_KEY:
		return true;
	default:
		return false;
	}
}

ref ir_new_ins(struct fn *f, enum op op, ref a, ref b, int64_t imm, uint8_t width)
{
	struct ins *i = vec_push(f->arena, &f->ins);

	*i = (struct ins){ .op = (uint8_t)op, .width = width, .reg = -1, .arg = { a, b }, .imm = imm,
			   .at = f->at };
	return f->ins.n - 1;
}

void ir_place(struct fn *f, uint32_t block, ref r)
{
	*vec_push(f->arena, &f->blocks.v[block].list) = r;
}

/* ---- folding ---------------------------------------------------------------------------- */

static bool commutes(enum op op)
{
	return op == OP_ADD || op == OP_MUL || op == OP_AND || op == OP_OR || op == OP_XOR ||
	       op == OP_EQ || op == OP_NE;
}

/* As the kernel's BPF machine computes it (kernel/bpf/core.c); x / 0 and x % 0 are the builder's. */
static bool compute(enum op op, int64_t a, int64_t b, int64_t *v)
{
	uint64_t x = (uint64_t)a, y = (uint64_t)b, r;

	switch (op) {
	case OP_ADD: r = x + y; break;
	case OP_SUB: r = x - y; break;
	case OP_MUL: r = x * y; break;
	case OP_DIV: r = y ? x / y : 0; break;
	case OP_MOD: r = y ? x % y : x; break;
	case OP_AND: r = x & y; break;
	case OP_OR:  r = x | y; break;
	case OP_XOR: r = x ^ y; break;
	case OP_SHL: r = x << (y & 63); break;
	case OP_SHR: r = x >> (y & 63); break;
	case OP_SAR: r = (uint64_t)(a >> (y & 63)); break;
	case OP_EQ:  r = x == y; break;
	case OP_NE:  r = x != y; break;
	case OP_LT:  r = a < b; break;
	case OP_LE:  r = a <= b; break;
	case OP_ULT: r = x < y; break;
	case OP_ULE: r = x <= y; break;
	default: return false;
	}
	*v = (int64_t)r;
	return true;
}

static int64_t extend(int64_t v, uint8_t width, bool sign)
{
	int unused = 64 - 8 * width;
	uint64_t high = (uint64_t)v << unused;

	return sign ? (int64_t)high >> unused : (int64_t)(high >> unused);
}

/* x op constant. 0: nothing simpler. */
static ref fold_right_const(struct fn *f, enum op op, ref a, int64_t v)
{
	bool power = v > 0 && !(v & (v - 1));
	int shift = power ? __builtin_ctzll((uint64_t)v) : 0;

	switch (op) {
	case OP_ADD: case OP_SUB: case OP_OR: case OP_XOR: case OP_SHL: case OP_SHR: case OP_SAR:
		return v == 0 ? a : 0;
	case OP_MUL:
		return v == 0 ? ir_const(f, 0) : v == 1 ? a
			: power ? ir_append(f, OP_SHL, a, ir_const(f, shift), 0, 8) : 0;
	case OP_DIV:
		return v == 1 ? a : power ? ir_append(f, OP_SHR, a, ir_const(f, shift), 0, 8) : 0;
	case OP_MOD:
		return power ? ir_append(f, OP_AND, a, ir_const(f, v - 1), 0, 8) : 0;
	case OP_AND:
		return v == 0 ? ir_const(f, 0) : v == -1 ? a : 0;
	default:
		return 0;
	}
}

static ref fold(struct fn *f, enum op op, ref a, ref b, int64_t imm, uint8_t width)
{
	int64_t x, y, v;
	const struct ins *i = &f->ins.v[a];

	if (op == OP_EXT) {
		if (ir_is_const(f, a, &x))
			return ir_const(f, extend(x, width, imm));
		if (width == 8 || (i->op == OP_LOAD && i->width <= width && !imm) ||
		    (i->op == OP_EXT && i->width <= width && i->imm == imm))
			return a;
		return 0;
	}
	if (op == OP_SWAP && ir_is_const(f, a, &x))
		return ir_const(f, (int64_t)(__builtin_bswap64((uint64_t)x) >> (64 - 8 * width)));
	if (op_info[op].operands != 2 || op_info[op].class != CLASS_PURE || !ir_is_const(f, b, &y))
		return 0;
	if (ir_is_const(f, a, &x) && compute(op, x, y, &v))
		return ir_const(f, v);
	/* (x + c) + d, as addresses have it */
	if (op == OP_ADD && i->op == OP_ADD && ir_is_const(f, i->arg[1], &x))
		return ir_append(f, OP_ADD, i->arg[0], ir_const(f, x + y), 0, 8);
	return fold_right_const(f, op, a, y);
}

/* ---- value numbering -------------------------------------------------------------------- */

static uint32_t hash_of(const struct fn *f, const struct ins *i)
{
	uint64_t h = i->op * 0x9e3779b97f4a7c15u;

	h = (h ^ i->arg[0]) * 0x9e3779b97f4a7c15u;
	h = (h ^ i->arg[1]) * 0x9e3779b97f4a7c15u;
	if (i->op != OP_KEY)
		h = (h ^ (uint64_t)i->imm ^ i->width) * 0x9e3779b97f4a7c15u;
	return (uint32_t)(h >> 32) & (f->nheads - 1);
}

static bool same(const struct ins *a, const struct ins *b)
{
	return a->op == b->op && a->arg[0] == b->arg[0] && a->arg[1] == b->arg[1] &&
	       (a->op == OP_KEY || (a->imm == b->imm && a->width == b->width));
}

static ref find_number(const struct fn *f, const struct ins *i)
{
	for (uint32_t n = f->heads[hash_of(f, i)]; n; n = f->numbers.v[n].next) {
		const struct numbered *e = &f->numbers.v[n];

		if (same(&f->ins.v[e->value], i) && (i->op != OP_LOOKUP || e->epoch == f->epoch))
			return e->value;
	}
	return 0;
}

/* Twice as many heads; the order within each stays. */
static void grow_heads(struct fn *f)
{
	f->nheads *= 2;
	f->heads = arena_alloc(f->arena, f->nheads * sizeof *f->heads);
	for (uint32_t n = 1; n < f->numbers.n; n++) {
		struct numbered *e = &f->numbers.v[n];

		e->hash = hash_of(f, &f->ins.v[e->value]);
		e->next = f->heads[e->hash];
		f->heads[e->hash] = n;
	}
}

static void add_number(struct fn *f, ref r)
{
	uint32_t hash = hash_of(f, &f->ins.v[r]);
	struct numbered *e = vec_push(f->arena, &f->numbers);

	*e = (struct numbered){ .value = r, .next = f->heads[hash], .hash = hash, .epoch = f->epoch };
	f->heads[hash] = f->numbers.n - 1;
	if (f->numbers.n > 2 * f->nheads)
		grow_heads(f);
}

uint32_t ir_scope(const struct fn *f)
{
	return f->numbers.n;
}

void ir_unscope(struct fn *f, uint32_t mark)
{
	while (f->numbers.n > mark) {
		const struct numbered *e = &f->numbers.v[--f->numbers.n];

		f->heads[e->hash] = e->next;
	}
}

void ir_clobber(struct fn *f)
{
	f->epoch++;
}

/* ---- appending -------------------------------------------------------------------------- */

ref ir_append(struct fn *f, enum op op, ref a, ref b, int64_t imm, uint8_t width)
{
	bool merges = op_info[op].class == CLASS_PURE || op_info[op].class == CLASS_RUN;
	ref r;
	int64_t v;

	if (!f->current)
		return 0;
	if (commutes(op) && ir_is_const(f, a, &v)) {
		r = a;
		a = b;
		b = r;
	}
	r = fold(f, op, a, b, imm, width);
	if (r)
		return r;
	if (merges) {
		struct ins wanted = { .op = (uint8_t)op, .width = width, .arg = { a, b }, .imm = imm };

		r = find_number(f, &wanted);
		if (r)
			return r;
	}
	r = ir_new_ins(f, op, a, b, imm, width);
	if (!ir_is_material(f, r))
		ir_place(f, f->current, r);
	if (merges)
		add_number(f, r);
	return r;
}

ref ir_const(struct fn *f, int64_t v)
{
	return ir_append(f, OP_CONST, 0, 0, v, 8);
}

ref ir_call(struct fn *f, enum bpf_func_id id, uint32_t nargs, const ref *args)
{
	ref r = ir_append(f, OP_HELPER, 0, 0, id, 8);

	for (uint32_t i = 0; r && i < nargs; i++)
		f->ins.v[r].arg[i] = args[i];
	return r;
}

/* An instruction's offset has 16 bits: what is beyond goes into the address. */
static ref within_reach(struct fn *f, ref address, int64_t *offset)
{
	int64_t far = *offset == (int16_t)*offset ? 0 : *offset;

	*offset -= far;
	return far ? ir_append(f, OP_ADD, address, ir_const(f, far), 0, 8) : address;
}

ref ir_load(struct fn *f, ref address, int64_t offset, uint8_t width)
{
	address = within_reach(f, address, &offset);
	return ir_append(f, OP_LOAD, address, 0, offset, width);
}

void ir_store(struct fn *f, ref address, int64_t offset, ref value, uint8_t width)
{
	address = within_reach(f, address, &offset);
	ir_append(f, OP_STORE, address, value, offset, width);
}

ref ir_slot(struct fn *f, uint32_t size)
{
	struct slot *s = vec_push(f->arena, &f->slots);

	s->size = (size + 7) & ~7u;
	return ir_append(f, OP_SLOT, 0, 0, f->slots.n - 1, 8);
}

ref ir_key(struct fn *f, ref value)
{
	uint32_t known = f->ins.n;
	ref key = ir_append(f, OP_KEY, value, 0, f->slots.n, 8);

	if (key < known)
		return key;
	vec_push(f->arena, &f->slots)->size = 8;
	ir_store(f, key, 0, value, 8);
	return key;
}

ref ir_phi(struct fn *f)
{
	return ir_new_ins(f, OP_PHI, 0, 0, 0, 8);
}

void ir_set(struct fn *f, ref phi, ref value)
{
	ir_append(f, OP_SET, phi, value, 0, 8);
}

uint32_t ir_block(struct fn *f)
{
	vec_push(f->arena, &f->blocks);
	return f->blocks.n - 1;
}

void ir_enter(struct fn *f, uint32_t block)
{
	f->current = f->blocks.v[block].preds ? block : 0;
	if (f->current)
		*vec_push(f->arena, &f->order) = block;
}

uint32_t ir_leave(struct fn *f)
{
	uint32_t open = f->current;

	f->current = 0;
	return open;
}

void ir_resume(struct fn *f, uint32_t block)
{
	f->current = block;
}

void ir_jump(struct fn *f, uint32_t to)
{
	if (!f->current)
		return;
	ir_append(f, OP_JUMP, 0, 0, 0, 8);
	f->blocks.v[f->current].succ[0] = to;
	f->blocks.v[to].preds++;
	f->current = 0;
}

/* A comparison that nobody else wants becomes part of its branch; prune drops it then. */
void ir_branch(struct fn *f, ref cond, uint32_t then, uint32_t els)
{
	const struct ins *c = &f->ins.v[cond];
	ref a = cond, b;
	enum op op = OP_NE;
	int64_t v;

	if (!f->current)
		return;
	if (ir_is_const(f, cond, &v)) {
		ir_jump(f, v ? then : els);
		return;
	}
	if (c->op >= OP_EQ && c->op <= OP_ULE) {
		op = (enum op)c->op;
		a = c->arg[0];
		b = c->arg[1];
	} else {
		b = ir_const(f, 0);
	}
	ir_append(f, OP_BRANCH, a, b, op, 8);
	f->blocks.v[f->current].succ[0] = then;
	f->blocks.v[f->current].succ[1] = els;
	f->blocks.v[then].preds++;
	f->blocks.v[els].preds++;
	f->current = 0;
}

void ir_return(struct fn *f, ref value)
{
	if (!f->current)
		return;
	ir_append(f, OP_RETURN, value, 0, 0, 8);
	f->current = 0;
}
