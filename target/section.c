// SPDX-License-Identifier: Apache-2.0
/*
 * Sections of ELF files by name, and where a stripped file's symbols are: in a debug file that goes by its
 * build id (/usr/lib/debug/.build-id/ab/cdef.debug), or in itself, as a small ELF file packed with xz
 * (.gnu_debugdata).
 *
 * Files are untrusted: libelf checks offsets and sizes, what it hands out is looked at again here, and what
 * unpacks to more than 64 MiB is no table of symbols.
 */
#include "target/section.h"

#include <lzma.h>
#include <stdlib.h>
#include <string.h>

enum { PACKED_MAX = 64 << 20, BUILD_ID_MAX = 64 };

const char *section_name(Elf *elf, const GElf_Shdr *header)
{
	size_t names;
	const char *name = NULL;

	if (!elf_getshdrstrndx(elf, &names))
		name = elf_strptr(elf, names, header->sh_name);
	return name ? name : "";
}

Elf_Data *section_named(Elf *elf, const char *name, GElf_Shdr *header)
{
	GElf_Shdr h;

	for (Elf_Scn *s = NULL; (s = elf_nextscn(elf, s));) {
		Elf_Data *data;

		if (!gelf_getshdr(s, &h) || h.sh_type == SHT_NOBITS || strcmp(section_name(elf, &h), name) != 0)
			continue;
		data = elf_getdata(s, NULL);
		if (header)
			*header = h;
		return data && data->d_buf ? data : NULL;
	}
	return NULL;
}

/* ---- debug files ------------------------------------------------------------------------ */

static const char *path_of(struct arena *a, const uint8_t *id, size_t n)
{
	char hex[2 * BUILD_ID_MAX + 1];

	for (size_t i = 0; i < n; i++)
		sprintf(hex + 2 * i, "%02x", id[i]);
	return arena_printf(a, "/usr/lib/debug/.build-id/%.2s/%s.debug", hex, hex + 2);
}

const char *section_debug_path(struct arena *a, Elf *elf)
{
	Elf_Data *data = section_named(elf, ".note.gnu.build-id", NULL);
	size_t at = 0, name, id;
	GElf_Nhdr note;

	while (data && (at = gelf_getnote(data, at, &note, &name, &id)))
		if (note.n_type == NT_GNU_BUILD_ID && note.n_descsz > 1 && note.n_descsz <= BUILD_ID_MAX)
			return path_of(a, (const uint8_t *)data->d_buf + id, note.n_descsz);
	return NULL;
}

/* ---- packed symbols --------------------------------------------------------------------- */

/* Unpacks into memory of `*size` bytes, to be freed. NULL: it is no xz, or too large. */
static char *unpack(const Elf_Data *packed, size_t *size)
{
	uint64_t limit = PACKED_MAX;
	size_t room = 1 << 20, in = 0;
	char *out = NULL, *grown;
	lzma_ret r = LZMA_BUF_ERROR;

	for (; r == LZMA_BUF_ERROR && room <= PACKED_MAX; room *= 4) {
		grown = realloc(out, room);
		if (!grown)
			break;
		out = grown;
		in = *size = 0;
		r = lzma_stream_buffer_decode(&limit, 0, NULL, packed->d_buf, &in, packed->d_size,
					      (uint8_t *)out, size, room);
	}
	if (r == LZMA_OK)
		return out;
	free(out);
	return NULL;
}

Elf *section_packed(Elf *elf, char **memory)
{
	Elf_Data *packed = section_named(elf, ".gnu_debugdata", NULL);
	size_t size = 0;
	Elf *inner;

	*memory = packed ? unpack(packed, &size) : NULL;
	inner = *memory ? elf_memory(*memory, size) : NULL;
	if (!inner)
		free(*memory);
	return inner;
}
