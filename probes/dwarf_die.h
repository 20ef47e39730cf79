// SPDX-License-Identifier: Apache-2.0
/*
 * What dwarf.c and dwarf_type.c share, in libdw's terms.
 */
#ifndef XBT_DWARF_DIE_H
#define XBT_DWARF_DIE_H

#include <elfutils/libdw.h>

#include "probes/dwarf.h"

struct dwarf_file {
	struct dwarf_file *next;
	const char *path, *why;  /* why there is nothing to read; NULL: there is */
	struct Dwfl *dwfl;
	Dwarf *dwarf;
	struct table types;      /* structs, by where they are described */
};

/* The arguments of the function, in words; what can't be read is told in target->unknown. */
const struct type *dwarf_function_type(struct script *, struct dwarf_file *, Dwarf_Die *function,
				       struct target *);

#endif
