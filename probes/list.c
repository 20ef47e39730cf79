// SPDX-License-Identifier: Apache-2.0
/*
 * What a script's attach points mean, for -l: each target once, by name, in the order of the
 * attach points.
 *
 * Of kernel functions and events their kind's own listing knows the arguments, as C has them; of
 * functions in programs, and of what was not written as a listing has it (an offset, a timer), the
 * target is all there is.
 */
#include <stdlib.h>
#include <string.h>

#include "sema/script.h"

static int by_text(const void *x, const void *y)
{
	const struct target *a = x, *b = y;

	return strcmp(a->text, b->text);
}

static uint32_t list_plainly(struct script *s, struct attach_point *ap, bool verbose, FILE *out)
{
	uint32_t n = 0;

	if (ap->targets.n)
		qsort(ap->targets.v, ap->targets.n, sizeof *ap->targets.v, by_text);
	for (uint32_t i = 0; i < ap->targets.n; i++) {
		if (i && !by_text(&ap->targets.v[i - 1], &ap->targets.v[i]))
			continue; /* another place of the same name */
		n += fprintf(out, "%s\n", ap->targets.v[i].text) > 0;
		if (verbose && ap->kind->list_args)
			ap->kind->list_args(s, &ap->targets.v[i], out);
	}
	return n;
}

/* What stands behind the kind's name. */
static struct str pattern_of(const struct attach_point *ap)
{
	const char *colon = memchr(ap->spec.s, ':', ap->spec.len);

	return colon ? (struct str){ colon + 1, (uint32_t)(ap->spec.s + ap->spec.len - colon - 1) }
		     : STR("");
}

static uint32_t list_point(struct script *s, struct attach_point *ap, bool verbose, FILE *out)
{
	uint32_t n = 0;

	if (verbose && ap->kind->list && ap->targets.n)
		n = ap->kind->list(ap->kind, &s->work, pattern_of(ap), verbose, out);
	return n ? n : list_plainly(s, ap, verbose, out);
}

uint32_t list_targets(struct script *s, bool verbose, FILE *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->probes.n; i++)
		for (uint32_t k = 0; k < s->probes.v[i]->points.n; k++)
			n += list_point(s, &s->probes.v[i]->points.v[k], verbose, out);
	return n;
}
