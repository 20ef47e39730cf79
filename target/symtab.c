// SPDX-License-Identifier: Apache-2.0
/*
 * The functions of one ELF file, to name addresses in it: from its .symtab, or, if it was stripped of
 * that, from .dynsym and from what it left behind for debuggers (section.c).
 *
 * Files are untrusted and may change while they are read: libelf gets copies of sections, not mapped
 * memory, and every name is checked to end within its string table. Where several symbols have an
 * address the one that people mean wins: global before weak before local, then the plainest name.
 */
#include "target/section.h"
#include "target/target.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libiberty/demangle.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NESTED_MAX = 16 };

struct entry {
	uint64_t address, size;
	const char *name;
	const char *shown; /* demangled; NULL: not yet */
	uint8_t rank;
};

/* A part of the file, and where it stands in memory. */
struct segment {
	uint64_t offset, size, address;
};

struct symtab {
	struct arena *arena;
	bool demangles;
	VEC(struct entry) entries;
	VEC(struct segment) segments;
};

/* ---- opening ---------------------------------------------------------------------------- */

int open_in_root(int root, const char *path, int flags)
{
	struct open_how how = { .flags = (uint64_t)(O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags),
				.resolve = RESOLVE_IN_ROOT };
	int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
	struct stat st;

	if (fd >= 0 && (fstat(fd, &st) || !S_ISREG(st.st_mode))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void read_segments(struct symtab *t, Elf *elf)
{
	size_t n = 0;
	GElf_Phdr p;

	if (elf_getphdrnum(elf, &n))
		return;
	for (size_t i = 0; i < n && gelf_getphdr(elf, (int)i, &p); i++)
		if (p.p_type == PT_LOAD)
			*vec_push(t->arena, &t->segments) =
				(struct segment){ p.p_offset, p.p_filesz, p.p_vaddr };
}

/* ---- symbols ---------------------------------------------------------------------------- */

static uint8_t rank_of(const GElf_Sym *sym, const char *name)
{
	uint8_t underscores = (uint8_t)strspn(name, "_");
	int binding = GELF_ST_BIND(sym->st_info);

	return (uint8_t)((binding == STB_GLOBAL ? 0 : binding == STB_WEAK ? 64 : 128) +
			 (underscores < 63 ? underscores : 63));
}

static bool is_function(const GElf_Sym *sym)
{
	int type = GELF_ST_TYPE(sym->st_info);

	return sym->st_shndx != SHN_UNDEF && sym->st_value &&
	       (type == STT_FUNC || type == STT_GNU_IFUNC ||
		(type == STT_NOTYPE && GELF_ST_BIND(sym->st_info) == STB_GLOBAL));
}

static void take_symbols(struct symtab *t, Elf_Data *data, const Elf_Data *names, size_t entry_size)
{
	size_t n = entry_size ? data->d_size / entry_size : 0;
	GElf_Sym sym;

	for (size_t i = 0; i < n && i <= INT32_MAX && gelf_getsym(data, (int)i, &sym); i++) {
		const char *name = (const char *)names->d_buf + sym.st_name;
		size_t left = sym.st_name < names->d_size ? names->d_size - sym.st_name : 0, length;

		if (!left || !is_function(&sym))
			continue;
		length = strnlen(name, left);
		if (!length || length == left)
			continue;
		*vec_push(t->arena, &t->entries) = (struct entry){
			.address = sym.st_value, .size = sym.st_size, .rank = rank_of(&sym, name),
			.name = str_dup(t->arena, (struct str){ name, (uint32_t)length }),
		};
	}
}

static bool take_table(struct symtab *t, Elf *elf, uint32_t type)
{
	Elf_Scn *section = NULL, *strings;
	Elf_Data *data, *names;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &header) || header.sh_type != type)
			continue;
		strings = elf_getscn(elf, header.sh_link);
		data = elf_getdata(section, NULL);
		names = strings ? elf_getdata(strings, NULL) : NULL;
		if (data && data->d_buf && names && names->d_buf)
			take_symbols(t, data, names, header.sh_entsize);
		return true;
	}
	return false;
}

/* ---- what was stripped ------------------------------------------------------------------ */

static void take_packed(struct symtab *t, Elf *elf)
{
	char *memory;
	Elf *inner = section_packed(elf, &memory);

	if (!inner)
		return;
	take_table(t, inner, SHT_SYMTAB);
	elf_end(inner);
	free(memory);
}

static void take_debug_file(struct symtab *t, Elf *elf, int root)
{
	const char *path = section_debug_path(t->arena, elf);
	int fd = path ? open_in_root(root, path, 0) : -1;
	Elf *debug;

	if (fd < 0)
		return;
	debug = elf_begin(fd, ELF_C_READ, NULL);
	if (debug)
		take_table(t, debug, SHT_SYMTAB);
	elf_end(debug);
	close(fd);
}

/* ---- the table -------------------------------------------------------------------------- */

static int by_address(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Of each address the first symbol, but with a size if any of them has one. */
static void drop_aliases(struct symtab *t)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->entries.n; i++) {
		struct entry *last = n ? &t->entries.v[n - 1] : NULL, *e = &t->entries.v[i];

		if (!last || last->address != e->address)
			t->entries.v[n++] = *e;
		else if (last->size < e->size)
			last->size = e->size;
	}
	t->entries.n = n;
}

static void take_all(struct symtab *t, Elf *elf, int root)
{
	read_segments(t, elf);
	if (!take_table(t, elf, SHT_SYMTAB)) {
		take_table(t, elf, SHT_DYNSYM);
		take_packed(t, elf);
		take_debug_file(t, elf, root);
	}
	if (t->entries.n)
		qsort(t->entries.v, t->entries.n, sizeof *t->entries.v, by_address);
	drop_aliases(t);
}

static struct symtab *symtab_new(struct arena *a, Elf *elf, int root, bool demangles)
{
	struct symtab *t = NULL;

	if (elf && elf_kind(elf) == ELF_K_ELF) {
		t = arena_alloc(a, sizeof *t);
		*t = (struct symtab){ .arena = a, .demangles = demangles };
		take_all(t, elf, root);
	}
	elf_end(elf);
	return t;
}

struct symtab *symtab_of_file(struct arena *a, int fd, int root, bool demangles)
{
	elf_version(EV_CURRENT);
	return symtab_new(a, elf_begin(fd, ELF_C_READ, NULL), root, demangles);
}

struct symtab *symtab_of_memory(struct arena *a, const void *image, size_t size, bool demangles)
{
	elf_version(EV_CURRENT);
	return symtab_new(a, elf_memory((char *)(uintptr_t)image, size), -1, demangles);
}

/* ---- naming ----------------------------------------------------------------------------- */

static const char *shown_name(const struct symtab *t, struct entry *e)
{
	char *plain = NULL;

	if (!e->shown && t->demangles && e->name[0] == '_')
		plain = cplus_demangle(e->name, DMGL_PARAMS | DMGL_ANSI | DMGL_AUTO);
	if (!e->shown)
		e->shown = plain ? str_dup(t->arena, str_of(plain)) : e->name;
	free(plain);
	return e->shown;
}

/* Does it hold the address? What has no size, as assembly may, reaches to the next one. */
static bool holds(const struct symtab *t, uint32_t i, uint64_t address)
{
	const struct entry *e = &t->entries.v[i];

	if (e->size)
		return address - e->address < e->size;
	return i + 1 == t->entries.n || address < t->entries.v[i + 1].address;
}

static const char *name_of(struct symtab *t, uint64_t address, uint64_t *offset)
{
	uint32_t low = 0, high = t->entries.n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (t->entries.v[mid].address <= address)
			low = mid + 1;
		else
			high = mid;
	}
	/* A small symbol may stand inside a larger one. */
	for (uint32_t i = low; i > 0 && low - i < NESTED_MAX; i--)
		if (holds(t, i - 1, address)) {
			*offset = address - t->entries.v[i - 1].address;
			return shown_name(t, &t->entries.v[i - 1]);
		}
	return NULL;
}

const char *symtab_name(struct symtab *t, uint64_t file_offset, uint64_t *offset)
{
	for (uint32_t i = 0; i < t->segments.n; i++) {
		const struct segment *s = &t->segments.v[i];

		if (file_offset - s->offset < s->size)
			return name_of(t, file_offset - s->offset + s->address, offset);
	}
	return NULL;
}
