// SPDX-License-Identifier: Apache-2.0
/*
 * From typed AST to image: for each probe its programs, for each program the passes of back[].
 *
 * One program serves all targets of a probe that look alike; where the probe uses what differs
 * (its name, the fields of args) each target has its own. The IR is checked after every pass: what is
 * wrong there is xbt's bug, and says so.
 */
#include "codegen/generate.h"

#include <stdlib.h>
#include <string.h>

#include "codegen/builder.h"

static const struct pass {
	const char *name;
	void (*run)(struct fn *);
} back[] = {
	{ "build", NULL }, /* done by build_program() */
	{ "prune", prune },
	{ "lower", lower },
	{ "allocate", allocate },
	{ "emit", emit },
};

const char *const back_stages[] = { "build", "prune", "lower", "allocate", "emit", NULL };

/* ---- one program ------------------------------------------------------------------------ */

static void find_for(struct node *n, void *ctx)
{
	*(bool *)ctx |= n->kind == N_FOR && !for_tuple(n);
	ast_children(n, find_for, ctx);
}

static void find_steps(struct node *n, void *stepped)
{
	const struct var *v = ast_changed(n);

	if (v)
		((bool *)stepped)[v->id] = true;
	ast_children(n, find_steps, stepped);
}

static void find_while(struct node *n, void *stepped)
{
	ast_children(n, n->kind == N_WHILE ? find_steps : find_while, stepped);
}

/* Scalars are values, in registers or on the stack, which has 512 bytes. So many that they would fill it
 * lie in scratch memory from the VALUES_MAX'th on; but for those that change in a while: the verifier has
 * to see that it ends. */
static void start_scalars(struct build *b)
{
	enum { VALUES_MAX = 24 };
	bool *stepped = arena_alloc(&b->s->work, b->p->vars.n + 1);
	uint32_t values = 0;

	find_while(b->p->node, stepped);
	for (uint32_t i = 0; i < b->p->vars.n; i++) {
		if (in_memory(b->p->vars.v[i]->type) || stepped[i] || ++values <= VALUES_MAX)
			continue;
		b->kept[i] = true;
		b->var_offsets[i] = scratch_temp(b, &type_uint64).off;
		ir_store(b->fn, b->scratch, b->var_offsets[i], ir_const(b->fn, 0), 8);
	}
}

/* Strings and such live in memory for the whole firing, and start as zeros. The bodies of for loops
 * have another stack: what they may want lies in scratch memory. */
static void start_variables(struct build *b)
{
	find_for(b->p->node, &b->has_callbacks);
	b->vars = arena_alloc(&b->s->work, (b->p->vars.n + 1) * sizeof *b->vars);
	b->var_offsets = arena_alloc(&b->s->work, (b->p->vars.n + 1) * sizeof *b->var_offsets);
	b->kept = arena_alloc(&b->s->work, b->p->vars.n + 1);
	start_scalars(b);
	for (uint32_t i = 0; i < b->p->vars.n; i++) {
		const struct type *t = b->p->vars.v[i]->type;
		struct place p;

		if (!in_memory(t))
			continue;
		p = b->has_callbacks ? scratch_temp(b, t) : build_temp(b, t);
		b->var_offsets[i] = p.off;
		b->vars[i] = p.base == b->scratch ? 0 : place_address(b, p);
		build_zero_bytes(b, p.base, p.off, type_slot(t));
	}
	/* They are not temporaries of a statement: out of the pool. */
	b->temps.n = 0;
}

void build_go_on_if(struct build *b, ref condition)
{
	uint32_t go = ir_block(b->fn), stop = ir_block(b->fn);

	ir_branch(b->fn, condition, go, stop);
	ir_enter(b->fn, stop);
	build_finish(b);
	ir_enter(b->fn, go);
}

/* -p: probes of functions and events see that process only. */
static void filter_pid(struct build *b)
{
	ref same;

	if (b->s->pid < 0 || b->ap->kind->own_filter || b->ap->kind->provides & IS_SPECIAL)
		return;
	same = ir_append(b->fn, OP_EQ, build_own_pid(b), ir_const(b->fn, b->s->pid), 0, 8);
	build_go_on_if(b, same);
}

/* --cgroup: the same, and those that sample. */
static void filter_cgroup(struct build *b)
{
	ref args[] = { ir_append(b->fn, OP_MAPFD, 0, 0, IMAGE_CGROUP, 8), ir_const(b->fn, 0) }, under;

	if (!b->s->cgroup || b->ap->kind->unfiltered || b->ap->kind->provides & IS_SPECIAL)
		return;
	under = ir_call(b->fn, BPF_FUNC_current_task_under_cgroup, 2, args);
	build_go_on_if(b, ir_append(b->fn, OP_EQ, under, ir_const(b->fn, 1), 0, 8));
}

static void build_body(struct build *b)
{
	uint32_t body = ir_block(b->fn), stop = ir_block(b->fn);
	struct node *n = b->p->node;
	uint32_t mark = temps_mark(b);

	filter_pid(b);
	filter_cgroup(b);
	if (b->ap->kind->begin)
		b->ap->kind->begin(b, b->target);
	if (n->probe.pred) {
		b->fn->at = n->probe.pred->at.beg;
		build_condition(b, n->probe.pred, body, stop);
		temps_release(b, mark);
		ir_enter(b->fn, stop);
		build_finish(b);
		ir_enter(b->fn, body);
	}
	build_list(b, n->probe.body);
	build_finish(b);
}

/* Most kernels have no larger values in per-CPU maps. */
enum { PER_CPU_MAX = 32768, LARGE_MAX = 4 << 20 };

/* The entry block is written last, when it is known what the function needs. */
uint32_t function_begin(struct build *b)
{
	uint32_t start = ir_block(b->fn);

	b->scratch = ir_new_ins(b->fn, OP_LOOKUP, 0, 0, b->large ? IMAGE_LARGE : IMAGE_SCRATCH, 8);
	ir_leave(b->fn);
	b->fn->blocks.v[start].preds = 1; /* its jump comes last */
	ir_enter(b->fn, start);
	return start;
}

/* Which entry is this program's on this CPU. */
static ref large_index(struct build *b)
{
	ref cpu = ir_append(b->fn, OP_RUNCALL, 0, 0, BPF_FUNC_get_smp_processor_id, 8);

	return build_add(b, ir_append(b->fn, OP_EXT, cpu, 0, 0, 4),
			 ir_const(b->fn, (int64_t)b->prog * cpus_possible()));
}

void function_end(struct build *b, uint32_t start)
{
	struct fn *f = b->fn;
	struct image_map *scratch = &b->image->maps.v[b->large ? IMAGE_LARGE : IMAGE_SCRATCH];
	uint32_t none;
	ref key;

	f->blocks.v[start].preds = 0;
	if (!b->scratch_most) {
		ir_jump(f, start);
		return;
	}
	if (b->scratch_most > LARGE_MAX)
		f->failure = arena_printf(f->arena, "the values of one statement take %u bytes, and %d are there; "
					  "a struct's fields, or shorter strings, may do", b->scratch_most,
					  LARGE_MAX);
	if (scratch->value_size < b->scratch_most && (b->large || b->scratch_most <= PER_CPU_MAX))
		scratch->value_size = b->scratch_most;
	none = ir_block(f);
	key = ir_slot(f, 8);
	ir_store(f, key, 0, b->large ? large_index(b) : ir_const(f, b->prog), 8);
	f->ins.v[b->scratch].arg[0] = key;
	ir_place(f, f->current, b->scratch);
	ir_branch(f, b->scratch, start, none);
	ir_enter(f, none);
	ir_return(f, ir_const(f, b->callback || returns_one(b)));
}

static struct fn *build_program(struct build *b, const char *name)
{
	struct fn *f = ir_new(&b->s->work, name);
	uint32_t entry = f->current, start;

	b->fn = f;
	f->at = b->p->node->at.beg;
	b->ctx = ir_new_ins(f, OP_CTX, 0, 0, 0, 8);
	start = function_begin(b);
	start_variables(b);
	build_body(b);
	ir_resume(f, entry);
	ir_place(f, entry, b->ctx);
	function_end(b, start);
	return f;
}

static bool run_passes(struct script *s, struct fn *f, const struct dumps *d)
{
	for (uint32_t i = 0; i < f->callbacks.n; i++)
		if (!run_passes(s, f->callbacks.v[i], d))
			return false;
	for (size_t i = 0; i < LEN(back); i++) {
		const char *why;

		if (back[i].run)
			back[i].run(f);
		why = f->failure ? f->failure : ir_verify(f, &s->work);
		if (d && d->wanted(d, back[i].name) && strcmp(back[i].name, "emit") != 0)
			ir_dump(f, &s->source, d->out);
		if (!why)
			continue;
		diag_error(&s->diag, (struct span){ f->at, f->at + 1 }, "program",
			   f->failure ? "program %s can't be made: %s" : "a bug of xbt's in %s: %s",
			   f->name, why);
		return false;
	}
	return true;
}

/* ---- programs of a probe ---------------------------------------------------------------- */

/* What the kernel takes as a name: letters, digits, '_' and '.', 15 of them. */
static const char *program_name(struct script *s, const struct target *t)
{
	char *name = arena_printf(&s->arena, "%.15s", t->text);

	for (char *c = name; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.", *c))
			*c = '_';
	return name;
}

static void *keep(struct script *s, const void *from, size_t size)
{
	return size ? memcpy(arena_alloc(&s->arena, size), from, size) : NULL;
}

/* Since 5.15 perf's links carry a number that the program can ask for. Not from within the body of a for
 * loop: that is another function, without the context. */
static bool can_look_up(struct script *s, const struct probe *p, const struct attach_point *ap)
{
	enum { LINUX_5_15 = 5 << 16 | 15 << 8 };
	struct features f;
	bool loops = false;

	if (!p->named || p->per_target || !ap->kind->cookies || ap->targets.n < 2)
		return false;
	features_read(&s->work, &f);
	find_for(p->node, &loops);
	return f.release >= LINUX_5_15 && !loops;
}

static bool make_program(struct script *s, struct image *image, struct probe *p,
			 struct attach_point *ap, struct target *targets, uint32_t n,
			 const struct dumps *d)
{
	struct build b = { .s = s, .nesting = 1, .image = image, .p = p, .ap = ap, .target = targets,
			   .prog = image->progs.n, .by_cookie = n > 1 && can_look_up(s, p, ap) };
	struct build again = b;
	uint32_t events = image->events.n, *callbacks;
	struct fn *f = build_program(&b, program_name(s, targets));
	struct prog *prog;

	if (b.scratch_most > PER_CPU_MAX) {
		/* Once more, with another place for it; what it sends is the same. */
		image->events.n = events;
		again.large = true;
		f = build_program(&again, program_name(s, targets));
	}
	callbacks = arena_alloc(&s->arena, (f->callbacks.n + 1) * sizeof *callbacks);
	if (!run_passes(s, f, d))
		return false;
	emit_join(f, callbacks);
	prog = vec_push(&s->arena, &image->progs);
	*prog = (struct prog){
		.name = f->name, .kind = ap->kind, .probe = p->index, .targets = targets, .ntargets = n,
		.cookies = b.by_cookie,
		.insns = keep(s, f->insns.v, f->insns.n * sizeof *f->insns.v), .ninsns = f->insns.n,
		.relocs = keep(s, f->relocs.v, f->relocs.n * sizeof *f->relocs.v), .nrelocs = f->relocs.n,
		.callbacks = callbacks, .ncallbacks = f->callbacks.n,
		.spans = keep(s, f->spans.v, f->spans.n * sizeof *f->spans.v),
	};
	return true;
}

static bool make_programs(struct script *s, struct image *image, struct probe *p, const struct dumps *d)
{
	for (uint32_t i = 0; i < p->points.n; i++) {
		struct attach_point *ap = &p->points.v[i];

		if (ap->targets.n && (can_look_up(s, p, ap) ||
				      (!p->per_target && !p->named && !ap->kind->single))) {
			if (!make_program(s, image, p, ap, ap->targets.v, ap->targets.n, d))
				return false;
			continue;
		}
		for (uint32_t k = 0; k < ap->targets.n; k++) {
			/* The field's place is this target's own. */
			if (ap->kind->args)
				ap->kind->args(s, &ap->targets.v[k]);
			if (!make_program(s, image, p, ap, &ap->targets.v[k], 1, d))
				return false;
		}
	}
	return true;
}

/* ---- maps ------------------------------------------------------------------------------- */

/* Each takes its memory only when it comes, where the kernel can do that (load.c); an interrupt may find
 * none at that moment. */
enum { STACKS = 1 << 17 };

/* The kernel wants a power of two, of whole pages. */
static uint32_t ring_size(const struct script *s)
{
	uint32_t size = 4096;

	while (size < 1u << 30 && size / 4096 < s->config.perf_rb_pages)
		size *= 2;
	return size;
}

static void add_own_maps(struct script *s, struct image *image)
{
	static const struct image_map own[IMAGE_MAPS] = {
		[IMAGE_RINGBUF] = { "xbt_events", BPF_MAP_TYPE_RINGBUF, 0, 0, 0, 0, NULL },
		[IMAGE_LEDGER] = { "xbt_ledger", BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_MMAPABLE, NULL },
		[IMAGE_ZERO] = { "xbt_zero", BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0, NULL },
		[IMAGE_SCRATCH] = { "xbt_scratch", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 1, 0, NULL },
		[IMAGE_LARGE] = { "xbt_large", BPF_MAP_TYPE_ARRAY, 4, 8, 1, 0, NULL },
		[IMAGE_STACKS] = { "xbt_stacks", BPF_MAP_TYPE_HASH, 8, 8 + STACK_DEPTH_MAX * 8, STACKS, 0,
				   NULL },
		[IMAGE_SPARE] = { "xbt_spare", BPF_MAP_TYPE_HASH, 8, 8 + STACK_DEPTH_MAX * 8, STACKS / 128, 0,
				  NULL },
		[IMAGE_BUILD_IDS] = { "xbt_build_ids", BPF_MAP_TYPE_HASH, 8,
				      8 + STACK_DEPTH_MAX * STACK_BUILD_ID_WORDS * 8, STACKS / 16, 0, NULL },
		[IMAGE_CGROUP] = { .name = "xbt_cgroup", .type = BPF_MAP_TYPE_CGROUP_ARRAY, .key_size = 4,
				   .value_size = 4, .max_entries = 1 },
	};

	for (uint32_t i = 0; i < IMAGE_MAPS; i++)
		*vec_push(&s->arena, &image->maps) = own[i];
	image->maps.v[IMAGE_RINGBUF].max_entries = ring_size(s);
}

static struct image_map map_of(struct script *s, const struct map *m)
{
	static const enum bpf_map_type types[] = {
		[STORE_DIRECT] = BPF_MAP_TYPE_ARRAY,
		[STORE_HASH] = BPF_MAP_TYPE_HASH,
		[STORE_CPU_ARRAY] = BPF_MAP_TYPE_PERCPU_ARRAY,
		[STORE_CPU_HASH] = BPF_MAP_TYPE_PERCPU_HASH,
	};
	bool array = m->storage == STORE_DIRECT || m->storage == STORE_CPU_ARRAY;
	char *name = arena_printf(&s->arena, "%.15s", m->name.len > 1 ? m->name.s + 1 : "anonymous");

	return (struct image_map){
		.name = name,
		.type = m->lru ? (m->agg && !m->read_back ? BPF_MAP_TYPE_LRU_PERCPU_HASH : BPF_MAP_TYPE_LRU_HASH)
			       : types[m->storage],
		.key_size = array ? 4 : m->key ? type_slot(m->key) : 8,
		.value_size = m->agg ? agg_words(m) * 8
				     : type_slot(m->val) + (m->storage == STORE_DIRECT ? 8 : 0),
		.max_entries = m->max_entries,
		.map = m,
	};
}

struct image *generate(struct script *s, const struct dumps *d)
{
	struct image *image = calloc(1, sizeof *image);

	if (!image)
		return NULL;
	add_own_maps(s, image);
	for (uint32_t i = 0; i < s->maps.n; i++)
		*vec_push(&s->arena, &image->maps) = map_of(s, s->maps.v[i]);
	*vec_push(&s->arena, &image->ledger) = (struct ledger_entry){ .kind = LEDGER_START };
	for (uint32_t i = 0; i < s->probes.n; i++)
		if (!make_programs(s, image, s->probes.v[i], d)) {
			free(image);
			return NULL;
		}
	image->maps.v[IMAGE_LEDGER].value_size = image->ledger.n * 8;
	image->maps.v[IMAGE_SCRATCH].max_entries = image->progs.n ? image->progs.n : 1;
	image->maps.v[IMAGE_LARGE].max_entries = image->progs.n * cpus_possible() + 1;
	image->nprobes = s->probes.n;
	image->source = s->source;
	image->config = s->config;
	image->cgroup = s->cgroup;
	image->arena = s->arena;
	s->arena = (struct arena){ NULL };
	return image;
}

void image_free(struct image *image)
{
	struct arena a;

	if (!image)
		return;
	a = image->arena;
	free(image);
	arena_free(&a);
}
