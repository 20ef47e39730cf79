// SPDX-License-Identifier: Apache-2.0
/*
 * Sections of ELF files, for elf.c and symtab.c: by name, and where the symbols of a stripped file are.
 */
#ifndef XBT_SECTION_H
#define XBT_SECTION_H

#include <gelf.h>

#include "core/core.h"

/* A section's name; "" if the file is damaged there. */
const char *section_name(Elf *, const GElf_Shdr *);
/* The first section of that name and, if asked for, its header; NULL: there is none with bytes. */
Elf_Data *section_named(Elf *, const char *name, GElf_Shdr *);
/* Where Debian and others keep the debug file of that build id; NULL: the file has none. */
const char *section_debug_path(struct arena *, Elf *);
/* The ELF file of symbols that is packed in .gnu_debugdata, to be closed by elf_end(), and the memory that
 * it lies in, to be freed after that. NULL: there is none. */
Elf *section_packed(Elf *, char **memory);

#endif
