// SPDX-License-Identifier: Apache-2.0
/*
 * Attach points: from text to what is there to attach to.
 *
 * Puts positional parameters in, splits at colons, finds the probe kind, lets it parse and expand.
 * The rule for what is missing lives here: an attach point without a target is a warning if another
 * of the same probe has one, else an error that names what was looked for.
 */
#include "sema/script.h"

#include <string.h>

#include "target/target.h"

struct ksyms *script_ksyms(struct script *s)
{
	if (!s->ksyms)
		s->ksyms = ksyms_open();
	return s->ksyms;
}

/* Each once, wherever else it is missing. */
static void missing_parameter(struct script *s, uint64_t number, struct span at)
{
	uint64_t bit = 1ull << (number < 64 ? number : 0);
	uint32_t e;

	if (s->params_missed & bit)
		return;
	s->params_missed |= bit;
	e = diag_error(&s->diag, at, "point-param", "parameter $%llu is not given", (unsigned long long)number);
	diag_hint(&s->diag, e, "parameters follow the script: xbt FILE PARAMETER...");
}

/* $1 in an attach point is the parameter's text. False: it isn't given, or none. */
static bool substitute(struct script *s, struct str *spec, struct span at)
{
	char *out = arena_alloc(&s->arena, 1);
	const char *text = spec->s;
	uint32_t beg = 0;
	bool fine = true;

	for (uint32_t i = 0; i < spec->len; i++) {
		uint64_t number = 0;
		uint32_t end = i + 1;

		if (text[i] != '$')
			continue;
		for (; end < spec->len && text[end] >= '0' && text[end] <= '9' && end < i + 6; end++)
			number = number * 10 + (uint64_t)(text[end] - '0');
		fine &= number && number <= s->params_n;
		if (!number)
			diag_error(&s->diag, at, "point-param",
				   "'$' in an attach point must begin a parameter: $1, $2, ...");
		else if (number > s->params_n)
			missing_parameter(s, number, at);
		out = arena_printf(&s->arena, "%s%.*s%.*s", out, (int)(i - beg), text + beg,
				   STR_ARG(param_text(s, number)));
		beg = end;
		i = end - 1;
	}
	*spec = str_of(arena_printf(&s->arena, "%s%.*s", out, (int)(spec->len - beg), text + beg));
	return fine;
}

/* What bpftrace had once, or keeps for its own tests. */
static const struct { const char *name, *hint; } gone[] = {
	{ "asyncwatchpoint", "bpftrace dropped it; watchpoint:ADDRESS:LENGTH:MODE watches an address" },
	{ "aw", "bpftrace dropped it; watchpoint:ADDRESS:LENGTH:MODE watches an address" },
	{ "bench", "it is bpftrace's own, for measuring itself; BEGIN runs once" },
	{ "test", "it is bpftrace's own, for testing itself; BEGIN runs once" },
};

static void unknown_kind(struct script *s, struct str name, struct span at)
{
	uint32_t e = diag_error(&s->diag, at, "probe-type", "unknown probe type '%.*s'", STR_ARG(name));
	struct near near = { .wanted = name };

	for (size_t i = 0; i < LEN(gone); i++)
		if (str_is(name, gone[i].name)) {
			diag_hint(&s->diag, e, "%s", gone[i].hint);
			return;
		}
	for (uint32_t i = 0; i < probe_kind_count; i++)
		str_near(&near, str_of(probe_kinds[i]->name));
	if (near.best.len)
		diag_hint(&s->diag, e, "did you mean '%.*s'?", STR_ARG(near.best));
	else
		diag_hint(&s->diag, e, "xbt -l lists the probes of this system");
}

/* A parameter alone may also be a function's name: then the kernel's is meant. */
static struct str with_kind(struct script *s, struct str spec, struct str written)
{
	if (str_eq(spec, written) || memchr(spec.s, ':', spec.len) || probe_kind_find(spec))
		return spec;
	return str_of(arena_printf(&s->arena, "kprobe:%.*s", STR_ARG(spec)));
}

/* "kind:a:b" -> name, and the parts behind it. Colons in quotes divide nothing. */
static bool split(struct script *s, struct attach_point *ap, struct str *name)
{
	uint32_t beg = 0, n = 0;

	bool quoted = false;

	for (uint32_t i = 0; i <= ap->spec.len; i++) {
		struct str part = { ap->spec.s + beg, i - beg };

		quoted ^= i < ap->spec.len && ap->spec.s[i] == '"';
		if (i < ap->spec.len && (ap->spec.s[i] != ':' || quoted))
			continue;
		if (n == 0)
			*name = part;
		else if (n <= LEN(ap->part))
			ap->part[n - 1] = part;
		beg = i + 1;
		n++;
	}
	ap->nparts = n - 1;
	if (n - 1 <= LEN(ap->part))
		return true;
	diag_error(&s->diag, ap->at, "point-parts", "an attach point has at most %zu parts",
		   LEN(ap->part) + 1);
	return false;
}

struct missing {
	struct attach_point point;
	struct absence absence;
};

static void report_missing(struct script *s, const struct missing *m, bool others)
{
	const char *why = m->absence.why ? m->absence.why : "nothing matches", *hint = m->absence.hint;
	struct str spec = m->point.spec;
	uint32_t e;

	if (s->config.missing_probes == MISSING_IGNORE)
		return;
	if (s->config.missing_probes != MISSING_ALONE)
		others = s->config.missing_probes == MISSING_WARN;
	if (others) { /* what is meant to be on another kernel is no slip of the pen: no hint */
		diag_warn(&s->diag, m->point.at, "missing", "%.*s: %s; left out", STR_ARG(spec), why);
		return;
	}
	e = diag_error(&s->diag, m->point.at, "missing", "%.*s: %s", STR_ARG(spec), why);
	if (m->absence.of_function)
		hint = attach_hint_function(s, &m->point);
	if (hint)
		diag_hint(&s->diag, e, "%s", hint);
}

/* Reported once, where it is passed. */
static void too_many(struct script *s, struct span at)
{
	uint32_t e;

	if (s->too_many)
		return;
	s->too_many = true;
	e = diag_error(&s->diag, at, "too-many-probes",
		       "%u functions or events are matched by now; at most %u may be", s->ntargets,
		       s->config.max_probes);
	diag_hint(&s->diag, e, "BPFTRACE_MAX_PROBES in the environment allows more");
}

struct expanding {
	struct script *s;
	struct probe *p;
	uint32_t errors; /* before it */
	VEC(struct missing) missing;
	uint32_t found; /* targets */
	uint32_t any;   /* what any of its attach points provides */
};

/* Only what is well-formed is kept; its targets may still be none. */
static bool add_point(struct expanding *x, const struct attach_point *split_up, const struct probe_kind *kind)
{
	struct attach_point *ap = vec_push(&x->s->arena, &x->p->points);
	struct absence absence = { 0 };

	*ap = *split_up;
	ap->kind = kind;
	if (!kind->parse(x->s, ap)) {
		x->p->points.n--;
		return false;
	}
	x->p->provides &= kind->provides;
	x->any |= kind->provides;
	kind->expand(x->s, ap, &absence);
	x->found += ap->targets.n;
	if (!ap->targets.n)
		*vec_push(&x->s->work, &x->missing) = (struct missing){ *ap, absence };
	return ap->targets.n > 0;
}

/* A pattern for the kind of probe means all kinds that have what it asks for; the others, which may
 * have another form altogether, are passed over without a word. */
static void add_kinds(struct expanding *x, const struct attach_point *split_up, struct str name)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < probe_kind_count; i++) {
		struct expanding before = *x;
		struct diag said = x->s->diag;
		uint32_t points = x->p->points.n, provides = x->p->provides;

		if (!probe_kind_matches(probe_kinds[i], name))
			continue;
		if (add_point(x, split_up, probe_kinds[i])) {
			found++;
			continue;
		}
		x->missing.n = before.missing.n;
		x->any = before.any;
		x->p->points.n = points;
		x->p->provides = provides;
		x->s->diag.list.n = said.list.n;
		x->s->diag.nerror = said.nerror;
	}
	if (!found)
		*vec_push(&x->s->work, &x->missing) = (struct missing){
			*split_up, { .why = arena_printf(&x->s->work, "no type of probe that matches '%.*s' has this",
							 STR_ARG(name)) } };
}

static void expand_spec(struct expanding *x, struct span at, struct str spec)
{
	struct attach_point ap = { .at = at, .spec = spec };
	const struct probe_kind *kind;
	struct str name;

	if (!split(x->s, &ap, &name))
		return;
	kind = probe_kind_find(name);
	if (kind)
		add_point(x, &ap, kind);
	else if (glob_has(name))
		add_kinds(x, &ap, name);
	else
		unknown_kind(x->s, name, at);
}

static void end_probe(struct expanding *x, struct span at)
{
	struct script *s = x->s;

	if (x->p->points.n && (x->any ^ x->p->provides) & IS_USER)
		x->p->provides &= ~(uint32_t)HAS_FUNC; /* a name here, an address there */
	for (uint32_t i = 0; i < x->missing.n; i++)
		report_missing(s, &x->missing.v[i], x->found > 0);
	s->ntargets += x->found;
	if (s->ntargets > s->config.max_probes)
		too_many(s, at);
	x->p->lost = !x->found;
	s->incomplete |= s->diag.nerror > x->errors;
	/* Nothing is left of it, as the script is content with. */
	if (x->p->lost && s->diag.nerror == x->errors)
		return;
	x->p->index = s->probes.n;
	*vec_push(&s->arena, &s->probes) = x->p;
}

static struct expanding begin_probe(struct script *s, struct node *n)
{
	struct probe *p = arena_alloc(&s->arena, sizeof *p);

	p->node = n;
	p->provides = ~0u;
	return (struct expanding){ .s = s, .p = p, .errors = s->diag.nerror };
}

static void expand_probe(struct script *s, struct node *n)
{
	struct expanding x = begin_probe(s, n);

	for (struct node *point = n->probe.points; point; point = point->next) {
		struct str spec = point->str;

		if (substitute(s, &spec, point->at))
			expand_spec(&x, point->at, with_kind(s, spec, point->str));
	}
	end_probe(&x, n->probe.points->at);
}

void expand_pattern(struct script *s, struct str spec)
{
	struct span all = { 0, spec.len };
	struct expanding x = begin_probe(s, NULL);

	expand_spec(&x, all, spec);
	end_probe(&x, all);
}

void expand(struct script *s)
{
	for (struct node *n = s->program; n && !s->too_many; n = n->next)
		expand_probe(s, n);
	s->hopeless |= s->too_many;
	if (s->program && !s->probes.n && !s->diag.nerror)
		diag_error(&s->diag, s->program->probe.points->at, "no-probes",
			   "of all that the script wants to probe nothing is there");
}
