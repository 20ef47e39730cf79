// SPDX-License-Identifier: Apache-2.0
/*
 * Storage: which kind of BPF map each of the script's maps becomes, and which assignments of BEGIN
 * need no instructions at all.
 *
 * A keyless number lives at a known address; a keyless aggregation in a per-CPU array; the rest in
 * hashes. An aggregation whose value the script reads has one value for all CPUs. Only delete() in a
 * program takes a keyless aggregation to a hash, since an array's element can't go away on all CPUs at
 * once.
 *
 * A table of constants (@name[26] = "mmuext_op" ...) at the start of the first BEGIN is written by
 * the runtime, in time proportional to its length; the statements leave the AST. That changes
 * nothing that a script can see as long as no earlier statement touches the map or may end BEGIN.
 */
#include "sema/script.h"

#include <string.h>

static void note_shrinking(struct node *n, void *ctx)
{
	bool *deleted = ctx;

	if (n->kind == N_CALL && n->call.fn) {
		if (n->call.fn->id == B_delete)
			deleted[n->call.args->map.map->id] = true;
		if (n->call.fn->id == B_delete || n->call.fn->id == B_clear)
			n->call.args->map.map->shrinks = true;
		if (n->call.fn->id == B_len && n->call.args->kind == N_MAP && !n->call.args->map.key)
			n->call.args->map.map->counted = !n->call.args->map.map->lru;
	}
	ast_children(n, note_shrinking, ctx);
}

static enum storage storage_of(const struct map *m, bool deleted)
{
	if (m->agg && m->read_back)
		return STORE_HASH;
	if (m->agg)
		return m->key || deleted ? STORE_CPU_HASH : STORE_CPU_ARRAY;
	return m->key || !type_is_scalar(m->val) ? STORE_HASH : STORE_DIRECT;
}

/* ---- constant tables -------------------------------------------------------------------- */

struct touched {
	struct script *s;
	bool *maps; /* by id */
	bool ends;  /* a statement that may end the probe was seen */
};

static void note_touched(struct node *n, void *ctx)
{
	struct touched *t = ctx;

	if (n->kind == N_MAP)
		t->maps[n->map.map->id] = true;
	if (n->kind == N_RETURN || (n->kind == N_CALL && n->call.fn->id == B_exit))
		t->ends = true;
	ast_children(n, note_touched, ctx);
}

/* Writes a constant's slot; false if it is not one. */
static bool encode(const struct script *s, const struct node *n, const struct type *t, uint8_t *to)
{
	struct str text;
	int64_t v;

	if (type_is_integer(t) && const_value(s, n, &v)) {
		memcpy(to, &v, sizeof v);
		return true;
	}
	if (t->kind != T_STRING || !literal_text(s, n, &text) || text.len >= t->len)
		return false;
	memcpy(to, text.s, text.len);
	return true;
}

static bool encode_key(const struct script *s, const struct map *m, const struct node *key, uint8_t *to)
{
	if (!key->next)
		return encode(s, key, m->key, to);
	for (uint32_t i = 0; key; key = key->next, i++)
		if (!encode(s, key, m->key->fields[i].type, to + m->key->fields[i].offset))
			return false;
	return true;
}

/* If the statement assigns a constant to a constant key, takes it over. */
static bool take_over(struct script *s, const struct touched *t, const struct node *n)
{
	struct map *m = n->kind == N_ASSIGN && n->bin.l->kind == N_MAP ? n->bin.l->map.map : NULL;
	uint8_t *key = NULL, *value;

	if (!m || n->bin.compound || m->declared.end || m->agg || m->counted || t->maps[m->id] || !m->key)
		return false;
	key = arena_alloc(&s->arena, type_slot(m->key));
	value = arena_alloc(&s->arena, type_slot(m->val));
	if (!encode_key(s, m, n->bin.l->map.key, key) || !encode(s, n->bin.r, m->val, value))
		return false;
	*vec_push(&s->arena, &m->init) = (struct map_init){ key, value };
	return true;
}

static void plan_table(struct script *s, struct probe *p)
{
	struct touched t = { .s = s, .maps = arena_alloc(&s->work, s->maps.n + 1) };
	struct node **link = &p->node->probe.body;

	while (*link && !t.ends) {
		if (take_over(s, &t, *link)) {
			*link = (*link)->next;
		} else {
			note_touched(*link, &t);
			link = &(*link)->next;
		}
	}
}

static struct probe *first_begin(struct script *s)
{
	for (uint32_t i = 0; i < s->probes.n; i++) {
		struct probe *p = s->probes.v[i];

		for (uint32_t k = 0; k < p->points.n; k++)
			if (p->points.v[k].kind == probe_kind_find(STR("begin")))
				return p->points.n == 1 && !p->node->probe.pred ? p : NULL;
	}
	return NULL;
}

void plan(struct script *s)
{
	bool *deleted = arena_alloc(&s->work, s->maps.n + 1);
	struct probe *begin;

	for (struct node *n = s->program; n; n = n->next)
		note_shrinking(n, deleted);
	begin = first_begin(s);
	if (begin)
		plan_table(s, begin);
	for (uint32_t i = 0; i < s->maps.n; i++) {
		struct map *m = s->maps.v[i];

		m->storage = storage_of(m, deleted[m->id]);
		if (!m->declared.end)
			m->max_entries = m->key ? s->config.max_map_keys + m->init.n : 1;
	}
}

/* ---- dump ------------------------------------------------------------------------------- */

void plan_dump(struct script *s, FILE *out)
{
	static const char *const storage[] = {
		[STORE_DIRECT] = "direct",
		[STORE_HASH] = "hash",
		[STORE_CPU_ARRAY] = "per-CPU array",
		[STORE_CPU_HASH] = "per-CPU hash",
	};

	for (uint32_t i = 0; i < s->maps.n; i++) {
		const struct map *m = s->maps.v[i];

		fprintf(out, "%.*s[%s] = %s: %s, %u entries", STR_ARG(m->name),
			m->key ? type_text(&s->work, m->key) : "",
			m->agg ? agg_name(m->agg) : type_text(&s->work, m->val), storage[m->storage],
			m->max_entries);
		if (m->init.n)
			fprintf(out, ", %u constants", m->init.n);
		fprintf(out, "%s%s\n", m->shrinks ? ", shrinks" : "", m->counted ? ", counted" : "");
	}
	for (uint32_t i = 0; i < s->probes.n; i++) {
		const struct probe *p = s->probes.v[i];

		for (uint32_t k = 0; k < p->points.n; k++)
			for (uint32_t t = 0; t < p->points.v[k].targets.n; t++)
				fprintf(out, "probe %u: %s\n", i, p->points.v[k].targets.v[t].text);
	}
}
