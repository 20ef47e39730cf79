// SPDX-License-Identifier: Apache-2.0
/*
 * In the place of dwarf.c and dwarf_type.c where xbt is built without libdw: says so.
 */
#include "probes/dwarf.h"

static const char reason[] = "this xbt was built without libdw, and can't read debug information";

const struct type *dwarf_arguments(struct script *s, struct target *t)
{
	(void)s;
	t->unknown = reason;
	return NULL;
}

bool dwarf_line(struct script *s, const char *path, struct str source, uint64_t line, uint64_t column,
		struct dwarf_places *found, const char **why)
{
	(void)s, (void)path, (void)source, (void)line, (void)column, (void)found;
	*why = reason;
	return false;
}

void dwarf_close(struct script *s)
{
	(void)s;
}
