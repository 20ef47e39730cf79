// SPDX-License-Identifier: Apache-2.0
/*
 * Registers and stack, by linear scan over intervals.
 *
 * Requires lowered IR: every operand is a register value, or stands as an immediate. Because the
 * blocks are in structured order an interval is simply [definition, last use], stretched to the end
 * of each loop that it enters from outside.
 *
 * Positions go by twos: uses read at p, definitions write at p + 1. An operand that must survive the
 * writing of the result (the right side of two-address arithmetic, both sides of a comparison) is
 * used "late", at p + 1. A value that lives across a call takes r6 to r9, which calls preserve.
 *
 * All registers are tried first. If that fails, the function is done again with r0 and r5 kept back
 * to carry spilled values between stack and instruction, and what has the farthest end is spilled.
 * XBT_REGISTERS=few leaves only r6 to be allocated, XBT_REGISTERS=SEED allocates in a random order:
 * tests of the spiller and of the allocator's rules.
 */
#include "codegen/ir.h"

#include <stdlib.h>
#include <string.h>

enum { REGISTERS = 10, CALLER_SAVED = 6, STACK_MAX = 512, SLOT_SIZE = 8 };
enum { TEMP_A = 0, TEMP_B = 5 }; /* kept back when there are spills; emit.c uses them */

struct interval {
	ref value;
	bool crosses_call;
	int8_t hint;
};

struct allocation {
	struct fn *fn;
	VEC(struct interval) intervals;
	VEC(uint32_t) calls; /* positions */
	VEC(ref) active;
	uint32_t usable;     /* bitmap of registers */
	bool may_spill;
	VEC(uint32_t) spills; /* stack slots: where the last value in each ends */
	const char *mode;
	uint32_t random;
};

/* ---- intervals -------------------------------------------------------------------------- */

static void touch(struct fn *f, ref r, uint32_t from, uint32_t to)
{
	struct ins *i = &f->ins.v[r];

	if (!i->end || from < i->beg)
		i->beg = from;
	if (to > i->end)
		i->end = to;
}

/* Must operand k still be there when the result is written? */
static bool used_late(const struct ins *i, uint32_t k)
{
	if (i->op >= OP_EQ && i->op <= OP_ULE)
		return true;
	return k == 1 && i->op >= OP_ADD && i->op <= OP_SAR;
}

static void measure_ins(struct allocation *a, ref r, uint32_t p)
{
	struct fn *f = a->fn;
	struct ins *i = &f->ins.v[r];

	for (uint32_t k = 0; k < ir_operands(i); k++) {
		if (ir_is_material(f, i->arg[k]))
			continue;
		if (i->op == OP_SET && k == 0)
			touch(f, i->arg[k], p + 1, p + 1);
		else
			touch(f, i->arg[k], p, p + used_late(i, k));
	}
	if (op_info[i->op].result && i->uses)
		touch(f, r, p + 1, p + 1);
	if (i->op == OP_HELPER)
		*vec_push(f->arena, &a->calls) = p;
}

/* What comes into a loop from outside and is used in it lives until its end. */
static void stretch(struct fn *f, const struct block *first)
{
	uint32_t end = f->blocks.v[first->loop_end].end;

	for (ref r = 1; r < f->ins.n; r++) {
		struct ins *i = &f->ins.v[r];

		if (i->end && i->beg < first->beg && i->end > first->beg && i->end < end)
			i->end = end;
	}
}

/* Results that nobody uses need no register. */
static void count_uses(struct fn *f)
{
	for (uint32_t k = 0; k < f->order.n; k++) {
		const struct block *b = &f->blocks.v[f->order.v[k]];

		for (uint32_t j = 0; j < b->list.n; j++)
			for (uint32_t n = 0; n < OPERANDS; n++)
				f->ins.v[f->ins.v[b->list.v[j]].arg[n]].uses++;
	}
}

static void measure(struct allocation *a)
{
	struct fn *f = a->fn;
	uint32_t p = 2;

	count_uses(f);
	for (uint32_t k = 0; k < f->order.n; k++) {
		struct block *b = &f->blocks.v[f->order.v[k]];

		b->beg = p;
		for (uint32_t j = 0; j < b->list.n; j++, p += 2)
			measure_ins(a, b->list.v[j], p);
		b->end = p;
	}
	for (uint32_t k = 0; k < f->order.n; k++)
		if (f->blocks.v[f->order.v[k]].loop_end)
			stretch(f, &f->blocks.v[f->order.v[k]]);
}

/* The first call after position p. */
static uint32_t next_call(const struct allocation *a, uint32_t p)
{
	uint32_t low = 0, high = a->calls.n;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (a->calls.v[mid] < p)
			low = mid + 1;
		else
			high = mid;
	}
	return low < a->calls.n ? a->calls.v[low] : UINT32_MAX;
}

static int by_begin(const void *x, const void *y)
{
	const uint32_t *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

/* Sorted by begin: pairs of begin and value, so that qsort needs no context. */
static void collect(struct allocation *a)
{
	struct fn *f = a->fn;
	VEC(struct { uint32_t beg; ref value; }) sorted = { 0 };

	for (ref r = 1; r < f->ins.n; r++)
		if (f->ins.v[r].end) {
			vec_push(f->arena, &sorted)->value = r;
			sorted.v[sorted.n - 1].beg = f->ins.v[r].beg;
		}
	if (sorted.n)
		qsort(sorted.v, sorted.n, sizeof *sorted.v, by_begin);
	for (uint32_t n = 0; n < sorted.n; n++) {
		struct ins *i = &f->ins.v[sorted.v[n].value];

		*vec_push(f->arena, &a->intervals) = (struct interval){
			.value = sorted.v[n].value,
			/* What arrives in a register must not take one of another that does. */
			.crosses_call = next_call(a, i->beg) < i->end || i->op == OP_ARG,
			.hint = -1,
		};
	}
}

/* ---- hints: where a value would like to be ---------------------------------------------- */

static void set_hints(struct allocation *a)
{
	struct fn *f = a->fn;
	int8_t *hint = arena_alloc(f->arena, f->ins.n);

	memset(hint, -1, f->ins.n);
	for (uint32_t k = 0; k < f->order.n; k++) {
		const struct block *b = &f->blocks.v[f->order.v[k]];

		for (uint32_t j = 0; j < b->list.n; j++) {
			ref r = b->list.v[j];
			const struct ins *i = &f->ins.v[r];

			if (i->op == OP_HELPER || i->op == OP_RETURN)
				for (uint32_t n = 0; n < ir_operands(i); n++)
					hint[i->arg[n]] = (int8_t)(i->op == OP_RETURN ? 0 : n + 1);
			if (i->op == OP_HELPER)
				hint[r] = 0;
			if (i->op == OP_CTX)
				hint[r] = 1;
		}
	}
	for (uint32_t n = 0; n < a->intervals.n; n++)
		a->intervals.v[n].hint = hint[a->intervals.v[n].value];
}

/* ---- the scan --------------------------------------------------------------------------- */

static void expire(struct allocation *a, uint32_t now)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < a->active.n; k++)
		if (a->fn->ins.v[a->active.v[k]].end >= now)
			a->active.v[n++] = a->active.v[k];
	a->active.n = n;
}

static uint32_t free_registers(const struct allocation *a)
{
	uint32_t set = a->usable;

	for (uint32_t k = 0; k < a->active.n; k++)
		set &= ~(1u << a->fn->ins.v[a->active.v[k]].reg);
	return set;
}

static int pick_random(struct allocation *a, uint32_t set)
{
	uint32_t n;

	a->random = a->random * 1664525 + 1013904223;
	n = (a->random >> 16) % (uint32_t)__builtin_popcount(set);
	while (n--)
		set &= set - 1;
	return __builtin_ctz(set);
}

/* Its hint; else the source of a move that ends here; else the lowest that will do. */
static int pick(struct allocation *a, const struct interval *v, uint32_t set)
{
	const struct ins *i = &a->fn->ins.v[v->value];

	if (a->random)
		return pick_random(a, set);
	if (v->hint >= 0 && set & (1u << v->hint))
		return v->hint;
	if (i->arg[0] && op_info[i->op].operands && a->fn->ins.v[i->arg[0]].reg >= 0 &&
	    set & (1u << a->fn->ins.v[i->arg[0]].reg))
		return a->fn->ins.v[i->arg[0]].reg;
	/* Argument registers are for arguments: from the top. */
	if (set & 0x3f)
		return 31 - __builtin_clz(set & 0x3f);
	return __builtin_ctz(set);
}

/* A stack slot whose last value was dead before this one began serves again. */
static void spill(struct allocation *a, ref r)
{
	struct ins *i = &a->fn->ins.v[r];
	uint32_t k = 0;

	while (k < a->spills.n && a->spills.v[k] >= i->beg)
		k++;
	if (k == a->spills.n)
		vec_push(a->fn->arena, &a->spills);
	a->spills.v[k] = i->end;
	i->reg = -1;
	i->spill = k + 1;
}

/* Of the active values and this one, the one that ends last goes to the stack. */
static void spill_farthest(struct allocation *a, const struct interval *v, uint32_t allowed)
{
	struct ins *here = &a->fn->ins.v[v->value];
	uint32_t farthest = here->end;
	int victim = -1;

	for (uint32_t k = 0; k < a->active.n; k++) {
		const struct ins *i = &a->fn->ins.v[a->active.v[k]];

		if (i->end > farthest && allowed & (1u << i->reg)) {
			farthest = i->end;
			victim = (int)k;
		}
	}
	if (victim < 0) {
		spill(a, v->value);
		return;
	}
	here->reg = a->fn->ins.v[a->active.v[victim]].reg;
	spill(a, a->active.v[victim]);
	a->active.v[victim] = v->value;
}

/* False: out of registers, and spilling is not allowed in this round. */
static bool scan(struct allocation *a)
{
	struct fn *f = a->fn;

	for (uint32_t n = 0; n < a->intervals.n; n++) {
		const struct interval *v = &a->intervals.v[n];
		uint32_t allowed = a->usable & (v->crosses_call ? ~0u << CALLER_SAVED : ~0u), set;

		expire(a, f->ins.v[v->value].beg);
		set = free_registers(a) & allowed;
		if (set) {
			f->ins.v[v->value].reg = (int8_t)pick(a, v, set);
			*vec_push(f->arena, &a->active) = v->value;
		} else if (a->may_spill) {
			spill_farthest(a, v, allowed);
		} else {
			return false;
		}
	}
	return true;
}

static void reset(struct allocation *a)
{
	a->active.n = 0;
	for (ref r = 1; r < a->fn->ins.n; r++)
		a->fn->ins.v[r].reg = -1;
}

/* ---- stack ------------------------------------------------------------------------------ */

/* Slots that no instruction names any more take no room. */
static void mark_slots(const struct fn *f, bool *used)
{
	for (uint32_t k = 0; k < f->order.n; k++) {
		const struct block *b = &f->blocks.v[f->order.v[k]];

		for (uint32_t j = 0; j < b->list.n; j++)
			for (uint32_t n = 0; n < OPERANDS; n++) {
				const struct ins *i = &f->ins.v[f->ins.v[b->list.v[j]].arg[n]];

				if (i->op == OP_SLOT || i->op == OP_KEY)
					used[i->imm] = true;
			}
	}
}

static void lay_out_stack(struct allocation *a)
{
	struct fn *f = a->fn;
	bool *used = arena_alloc(f->arena, f->slots.n + 1);
	uint32_t top = a->spills.n * SLOT_SIZE;

	mark_slots(f, used);
	for (uint32_t n = 0; n < f->slots.n; n++) {
		top += used[n] ? f->slots.v[n].size : 0;
		f->slots.v[n].offset = -(int32_t)top;
	}
	f->stack = top;
	if (top > STACK_MAX)
		f->failure = arena_printf(f->arena, "it needs %u bytes of stack, and BPF has %d", top,
					  STACK_MAX);
}

void allocate(struct fn *f)
{
	struct allocation a = { .fn = f, .usable = (1u << REGISTERS) - 1, .mode = getenv("XBT_REGISTERS") };
	bool few = a.mode && !strcmp(a.mode, "few");

	measure(&a);
	collect(&a);
	set_hints(&a);
	if (a.mode && !few)
		a.random = (uint32_t)atoi(a.mode) | 1;
	if (few || !scan(&a)) {
		reset(&a);
		a.usable &= few ? 1u << 6 : ~(1u << TEMP_A | 1u << TEMP_B);
		a.may_spill = true;
		scan(&a);
	}
	lay_out_stack(&a);
}
