// SPDX-License-Identifier: Apache-2.0
/*
 * Aggregations: how one value changes one CPU's words of an element (sema/maps.def has the layouts).
 * Where each CPU has its own nothing needs to be atomic, for nobody else writes them while the program
 * runs. Maps whose values the script reads have one set of words for all CPUs.
 *
 * Bucket numbers are computed without branches where that is possible: each branch would double the
 * paths that the verifier walks.
 */
#include "codegen/builder.h"

static ref op2(struct build *b, enum op op, ref x, ref y)
{
	return ir_append(b->fn, op, x, y, 0, 8);
}

static ref op2c(struct build *b, enum op op, ref x, int64_t y)
{
	return op2(b, op, x, ir_const(b->fn, y));
}

static void add_word(struct build *b, ref base, int64_t word, ref n)
{
	ref v;

	if (b->shared) {
		ir_append(b->fn, OP_ATOMIC, base, n, word * 8, 8);
		return;
	}
	v = ir_load(b->fn, base, word * 8, 8);
	ir_store(b->fn, base, word * 8, op2(b, OP_ADD, v, n), 8);
}

ref build_count(struct build *b, struct node *n, struct place to)
{
	(void)n;
	add_word(b, to.base, 0, ir_const(b->fn, 1));
	return 0;
}

/* { sum, n } */
ref build_sum(struct build *b, struct node *n, struct place to)
{
	(void)n;
	add_word(b, to.base, 0, b->operand);
	add_word(b, to.base, 1, ir_const(b->fn, 1));
	return 0;
}

ref build_avg(struct build *b, struct node *n, struct place to)
{
	return build_sum(b, n, to);
}

ref build_stats(struct build *b, struct node *n, struct place to)
{
	return build_sum(b, n, to);
}

/* Of all CPUs together: as agg_extreme_mask() has it, so that only the greater may replace what is
 * there, zeros included. Who is in the way has made it greater: after some tries the loss is counted. */
static void build_shared_extreme(struct build *b, struct place to, const struct map *m)
{
	enum { TRIES = 8 };
	struct fn *f = b->fn;
	ref mine = op2c(b, OP_XOR, b->operand, (int64_t)agg_extreme_mask(m));
	uint32_t done = ir_block(f), mark = ir_scope(f);

	for (int i = 0; i < TRIES; i++) {
		uint32_t try = ir_block(f), again = ir_block(f);
		ref held = ir_load(f, to.base, 0, 8), args[] = { to.base, held, mine };

		ir_branch(f, op2(b, OP_ULT, held, mine), try, done);
		ir_enter(f, try);
		ir_branch(f, op2(b, OP_EQ, ir_call(f, (enum bpf_func_id)HELPER_CMPXCHG, 3, args), held), done, again);
		ir_enter(f, again);
	}
	ledger_add(b, LEDGER_RACE, m, m->at, 1);
	ir_jump(f, done);
	ir_unscope(f, mark);
	ir_enter(f, done);
	ir_store(f, to.base, 8, ir_const(f, 1), 8);
}

/* { value, seen }: the first value counts whatever it is. */
static ref build_extreme(struct build *b, struct place to, bool greatest)
{
	struct fn *f = b->fn;
	uint32_t compare = ir_block(f), store = ir_block(f), done = ir_block(f), mark = ir_scope(f);
	enum op less = to.type->sign ? OP_LT : OP_ULT;
	ref held;

	if (b->shared) {
		build_shared_extreme(b, to, b->changed);
		return 0;
	}
	ir_branch(f, ir_load(f, to.base, 8, 8), compare, store);
	ir_enter(f, compare);
	held = ir_load(f, to.base, 0, 8);
	ir_branch(f, greatest ? op2(b, less, held, b->operand) : op2(b, less, b->operand, held), store,
		  done);
	ir_unscope(f, mark);
	ir_enter(f, store);
	ir_store(f, to.base, 0, b->operand, 8);
	ir_store(f, to.base, 8, ir_const(f, 1), 8);
	ir_jump(f, done);
	ir_unscope(f, mark);
	ir_enter(f, done);
	return 0;
}

ref build_min(struct build *b, struct node *n, struct place to)
{
	(void)n;
	return build_extreme(b, to, false);
}

ref build_max(struct build *b, struct node *n, struct place to)
{
	(void)n;
	return build_extreme(b, to, true);
}

/* floor(log2(v)) of v > 0 (0 of 0), v < 2^63: by halves. Whether v > x is the sign of x - v. */
static ref build_log2(struct build *b, ref v)
{
	ref log = ir_const(b->fn, 0);

	for (int half = 32; half; half /= 2) {
		ref above = op2c(b, OP_SHR, op2(b, OP_SUB, ir_const(b->fn, (1ll << half) - 1), v), 63);
		ref shift = op2c(b, OP_MUL, above, half);

		v = op2(b, OP_SHR, v, shift);
		log = op2(b, OP_OR, log, shift);
	}
	return log;
}

/* hist_bucket() of type.c, as instructions. With s = max(log2(v) - bits, 0):
 * (s << bits) + (v >> s) + 1, and 0 for negative values. */
static ref build_hist_bucket(struct build *b, ref v, uint32_t bits)
{
	ref not_negative = op2c(b, OP_XOR, op2c(b, OP_SAR, v, 63), -1);
	ref log = build_log2(b, v), s, high, index;

	s = op2c(b, OP_SUB, log, bits);
	s = op2(b, OP_AND, s, op2c(b, OP_XOR, op2c(b, OP_SAR, s, 63), -1));
	s = op2c(b, OP_AND, s, 63);
	/* v >> s is below 2^(bits + 1): the mask tells the verifier so */
	high = op2c(b, OP_AND, op2(b, OP_SHR, v, s), (2ll << bits) - 1);
	index = op2c(b, OP_ADD, op2(b, OP_ADD, op2c(b, OP_SHL, s, bits), high), 1);
	return op2(b, OP_AND, index, not_negative);
}

/* Adds 1 to a bucket; the index must not pass the last, as the verifier sees it. */
static void count_bucket(struct build *b, struct place to, ref index, uint32_t buckets)
{
	struct fn *f = b->fn;
	uint32_t fits = ir_block(f), done = ir_block(f), mark = ir_scope(f);
	ref address;

	ir_branch(f, op2c(b, OP_ULT, index, buckets), fits, done);
	ir_enter(f, fits);
	address = op2(b, OP_ADD, to.base, op2c(b, OP_SHL, index, 3));
	add_word(b, address, 0, ir_const(f, 1));
	ir_jump(f, done);
	ir_unscope(f, mark);
	ir_enter(f, done);
}

ref build_hist(struct build *b, struct node *n, struct place to)
{
	(void)n;
	count_bucket(b, to, build_hist_bucket(b, b->operand, b->shape->bits),
		     hist_buckets(b->shape->bits));
	return 0;
}

/* 0 below min, the last from max on, else (v - min) / step + 1. */
ref build_lhist(struct build *b, struct node *n, struct place to)
{
	struct fn *f = b->fn;
	const struct hist_shape *h = b->shape;
	uint32_t last = lhist_buckets(h) - 1, above = ir_block(f), middle = ir_block(f);
	uint32_t below = ir_block(f), joined = ir_block(f), mark = ir_scope(f);
	ref index = ir_phi(f), v = b->operand, step;

	(void)n;
	ir_branch(f, op2c(b, OP_LT, v, h->min), below, above);
	ir_enter(f, below);
	ir_set(f, index, ir_const(f, 0));
	ir_jump(f, joined);
	ir_enter(f, above);
	below = ir_block(f);
	ir_branch(f, op2c(b, OP_LT, v, h->max), middle, below);
	ir_enter(f, below);
	ir_set(f, index, ir_const(f, last));
	ir_jump(f, joined);
	ir_enter(f, middle);
	step = op2c(b, OP_DIV, op2c(b, OP_SUB, v, h->min), h->step);
	ir_set(f, index, op2c(b, OP_ADD, step, 1));
	ir_jump(f, joined);
	ir_unscope(f, mark);
	ir_enter(f, joined);
	ir_place(f, joined, index);
	count_bucket(b, to, index, last + 1);
	return 0;
}

/* ---- time series ------------------------------------------------------------------------ */

/* Is the value in the bucket to be replaced? */
static ref is_better(struct build *b, ref bucket, enum op less)
{
	ref held = ir_load(b->fn, bucket, TSERIES_VALUE * 8, 8);
	ref none = op2c(b, OP_EQ, ir_load(b->fn, bucket, TSERIES_WEIGHT * 8, 8), 0);
	bool greatest = b->series->how == TSERIES_MAX;

	return op2(b, OP_OR, none, greatest ? op2(b, less, held, b->operand) : op2(b, less, b->operand, held));
}

static void set_bucket(struct build *b, ref bucket, ref value, ref weight)
{
	ir_store(b->fn, bucket, TSERIES_VALUE * 8, value, 8);
	ir_store(b->fn, bucket, TSERIES_WEIGHT * 8, weight, 8);
}

static void update_bucket(struct build *b, ref bucket, const struct type *t, ref now)
{
	struct fork k;

	switch (b->series->how) {
	case TSERIES_AVG:
	case TSERIES_SUM:
		add_word(b, bucket, TSERIES_VALUE, b->operand);
		add_word(b, bucket, TSERIES_WEIGHT, ir_const(b->fn, 1));
		break;
	case TSERIES_MAX:
	case TSERIES_MIN:
		k = fork_if(b, is_better(b, bucket, t->sign ? OP_LT : OP_ULT));
		set_bucket(b, bucket, b->operand, ir_const(b->fn, 1));
		fork_else(b, &k, 0);
		fork_join(b, &k, 0);
		break;
	default:
		set_bucket(b, bucket, b->operand, now);
	}
}

/* A bucket whose epoch has passed begins anew. */
ref build_tseries(struct build *b, struct node *n, struct place to)
{
	struct fn *f = b->fn;
	ref now = op2(b, OP_ADD, ir_call(f, BPF_FUNC_ktime_get_boot_ns, 0, NULL),
		      ledger_read(b, LEDGER_TAI, NULL));
	ref epoch = op2c(b, OP_DIV, now, (int64_t)b->series->interval);
	ref index = op2c(b, OP_MOD, epoch, b->series->n), bucket;
	struct fork fits, old;

	(void)n;
	fits = fork_if(b, op2c(b, OP_ULT, index, b->series->n));
	bucket = op2(b, OP_ADD, to.base, op2c(b, OP_MUL, index, TSERIES_WORDS * 8));
	old = fork_if(b, op2(b, OP_NE, ir_load(f, bucket, TSERIES_EPOCH * 8, 8), epoch));
	ir_store(f, bucket, TSERIES_EPOCH * 8, epoch, 8);
	set_bucket(b, bucket, ir_const(f, 0), ir_const(f, 0));
	fork_else(b, &old, 0);
	fork_join(b, &old, 0);
	update_bucket(b, bucket, to.type, now);
	fork_else(b, &fits, 0);
	fork_join(b, &fits, 0);
	return 0;
}

/* ---- reading ---------------------------------------------------------------------------- */

/* { sum, n }: signed division where the values are signed; BPF's is unsigned. */
static ref build_average(struct build *b, const struct map *m, ref sum, ref n)
{
	ref sign = op2c(b, OP_SAR, sum, 63), quotient;
	ref magnitude = op2(b, OP_SUB, op2(b, OP_XOR, sum, sign), sign);

	if (!m->val->sign)
		return op2(b, OP_DIV, sum, n);
	quotient = op2(b, OP_DIV, magnitude, n);
	return op2(b, OP_SUB, op2(b, OP_XOR, quotient, sign), sign);
}

/* { value, seen } of all CPUs: 0 if there was none. */
static ref build_seen(struct build *b, const struct map *m, ref value, ref seen)
{
	struct fork k = fork_if(b, seen);

	fork_else(b, &k, op2c(b, OP_XOR, value, (int64_t)agg_extreme_mask(m)));
	return fork_join(b, &k, ir_const(b->fn, 0));
}

ref build_aggregate_value(struct build *b, const struct map *m, ref words)
{
	ref first = ir_load(b->fn, words, 0, 8);

	if (m->agg == AGG_MIN || m->agg == AGG_MAX)
		return build_seen(b, m, first, ir_load(b->fn, words, 8, 8));
	if (m->agg != AGG_AVG)
		return first;
	return build_average(b, m, first, ir_load(b->fn, words, 8, 8));
}

void build_stats_into(struct build *b, const struct map *m, ref words, struct place to)
{
	ref total = ir_load(b->fn, words, 0, 8), count = ir_load(b->fn, words, 8, 8);

	ir_store(b->fn, to.base, to.off, count, 8);
	ir_store(b->fn, to.base, to.off + 8, build_average(b, m, total, count), 8);
	ir_store(b->fn, to.base, to.off + 16, total, 8);
}
