// SPDX-License-Identifier: Apache-2.0
/*
 * What debug information tells of programs: dwarf.c and dwarf_type.c, or no_dwarf.c in a build without
 * libdw. For probes/ only.
 */
#ifndef XBT_DWARF_H
#define XBT_DWARF_H

#include "sema/script.h"

/* Where the code of a line begins. */
struct dwarf_place {
	uint64_t address;
	const char *function;
};

struct dwarf_places {
	VEC(struct dwarf_place) list;
};

/* The arguments of the function that begins at target->address, in words, each at 8 times its number;
 * NULL: target->unknown says why not. */
const struct type *dwarf_arguments(struct script *, struct target *);
/* One place for each copy of the line (inlined code is copied); column 0: any. False: *why says why there
 * is none. */
bool dwarf_line(struct script *, const char *path, struct str source, uint64_t line, uint64_t column,
		struct dwarf_places *, const char **why);

#endif
