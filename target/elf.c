// SPDX-License-Identifier: Apache-2.0
/*
 * Programs and libraries: their functions, their USDT probes, and where in the file these are.
 *
 * Only what the machine itself can run is read: 64 bits, its own instructions. A file is not
 * trusted: libelf checks what it reads, and what it hands out is looked at again here. Functions
 * come from .symtab, from .dynsym, and for a stripped file from what it left behind for debuggers
 * (section.c). It may change while it is read: libelf gets copies of sections, not mapped memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/section.h"
#include "target/target.h"

struct elf {
	struct arena *arena;
	int fd;
	Elf *e;
	Elf_Scn *symtab, *dynsym;
	VEC(GElf_Phdr) loads; /* the segments that are mapped: asked for each symbol */
	bool go;
};

/* ---- opening ---------------------------------------------------------------------------- */

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { MACHINE = EM_AARCH64 };
#endif

static const char *foreign(struct arena *a, const GElf_Ehdr *h)
{
	static const struct { uint16_t machine; const char *name; } names[] = {
		{ EM_386, "i386" },	{ EM_X86_64, "x86_64" }, { EM_ARM, "arm" },
		{ EM_AARCH64, "aarch64" }, { EM_RISCV, "riscv" }, { EM_S390, "s390" },
		{ EM_PPC64, "powerpc64" },
	};

	for (size_t i = 0; i < LEN(names); i++)
		if (h->e_machine == names[i].machine)
			return arena_printf(a, "it is for another machine (%s)", names[i].name);
	return arena_printf(a, "it is for another machine (number %u)", h->e_machine);
}

/* The tables of an ELF file stand at its end: is it whole? */
static bool is_whole(const struct elf *elf, const GElf_Ehdr *h)
{
	struct stat st;
	uint64_t size = fstat(elf->fd, &st) ? 0 : (uint64_t)st.st_size;
	uint64_t sections = (uint64_t)h->e_shnum * h->e_shentsize;
	uint64_t segments = (uint64_t)h->e_phnum * h->e_phentsize;

	return h->e_shoff <= size && sections <= size - h->e_shoff && h->e_phoff <= size &&
	       segments <= size - h->e_phoff;
}

static const char *check_header(struct elf *elf)
{
	GElf_Ehdr h;

	if (elf_kind(elf->e) != ELF_K_ELF || !gelf_getehdr(elf->e, &h))
		return "it is not an ELF file (a program or a library)";
	if (h.e_machine != MACHINE || gelf_getclass(elf->e) != ELFCLASS64)
		return foreign(elf->arena, &h);
	if (h.e_type != ET_EXEC && h.e_type != ET_DYN)
		return "it is neither a program nor a library";
	return is_whole(elf, &h) ? NULL : "it is truncated";
}

static void find_tables(struct elf *elf)
{
	for (Elf_Scn *s = NULL; (s = elf_nextscn(elf->e, s));) {
		GElf_Shdr h;

		if (!gelf_getshdr(s, &h))
			continue;
		if (h.sh_type == SHT_SYMTAB)
			elf->symtab = s;
		else if (h.sh_type == SHT_DYNSYM)
			elf->dynsym = s;
		elf->go |= !strcmp(section_name(elf->e, &h), ".note.go.buildid") ||
			   !strcmp(section_name(elf->e, &h), ".gopclntab");
	}
}

static void find_segments(struct elf *elf)
{
	size_t n = 0;
	GElf_Phdr p;

	elf_getphdrnum(elf->e, &n);
	for (size_t i = 0; i < n; i++)
		if (gelf_getphdr(elf->e, (int)i, &p) && p.p_type == PT_LOAD)
			*vec_push(elf->arena, &elf->loads) = p;
}

static const char *open_file(struct elf *elf, const char *path)
{
	struct stat st;

	elf->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (elf->fd < 0)
		return arena_printf(elf->arena, "it can't be read: %s", strerror(errno));
	if (fstat(elf->fd, &st) || !S_ISREG(st.st_mode))
		return "it is not a regular file";
	elf_version(EV_CURRENT);
	elf->e = elf_begin(elf->fd, ELF_C_READ, NULL);
	if (!elf->e)
		return "it is not an ELF file (a program or a library)";
	return check_header(elf);
}

struct elf *elf_open(struct arena *a, const char *path, const char **why)
{
	struct elf *elf = arena_alloc(a, sizeof *elf);

	*elf = (struct elf){ .arena = a, .fd = -1 };
	*why = open_file(elf, path);
	if (*why) {
		elf_close(elf);
		return NULL;
	}
	find_tables(elf);
	find_segments(elf);
	return elf;
}

void elf_close(struct elf *elf)
{
	elf_end(elf->e);
	if (elf->fd >= 0)
		close(elf->fd);
}

bool elf_is_go(const struct elf *elf)
{
	return elf->go;
}

bool elf_is_stripped(const struct elf *elf)
{
	return !elf->symtab;
}

/* ---- addresses -------------------------------------------------------------------------- */

uint64_t elf_offset(const struct elf *elf, uint64_t address)
{
	for (uint32_t i = 0; i < elf->loads.n; i++) {
		const GElf_Phdr *p = &elf->loads.v[i];

		if (address >= p->p_vaddr && address - p->p_vaddr < p->p_memsz)
			return address - p->p_vaddr + p->p_offset;
	}
	return ELF_NOWHERE;
}

/* The bytes in the file from an offset on, as many as there are up to n. */
size_t elf_bytes(const struct elf *elf, uint64_t offset, void *to, size_t n)
{
	ssize_t got = pread(elf->fd, to, n, (off_t)offset);

	return got > 0 ? (size_t)got : 0;
}

/* ---- functions -------------------------------------------------------------------------- */

/* "memcpy@@GLIBC_2.14" is memcpy. */
static struct str plain_name(const char *name)
{
	return (struct str){ name, (uint32_t)(strchrnul(name, '@') - name) };
}

struct walk {
	bool objects;
	bool (*visit)(void *, const struct elf_function *);
	void *ctx;
};

static bool is_wanted(const struct walk *w, const GElf_Sym *sym)
{
	int type = GELF_ST_TYPE(sym->st_info);

	if (sym->st_shndx == SHN_UNDEF)
		return false;
	return w->objects ? type == STT_OBJECT : type == STT_FUNC || type == STT_GNU_IFUNC;
}

static bool visit_symbol(const struct elf *elf, const GElf_Sym *sym, const char *name,
			 const struct walk *w)
{
	struct elf_function f = { .address = sym->st_value, .size = sym->st_size,
				  .indirect = GELF_ST_TYPE(sym->st_info) == STT_GNU_IFUNC };

	if (!is_wanted(w, sym) || !name || !*name)
		return true;
	f.name = plain_name(name);
	f.offset = elf_offset(elf, sym->st_value);
	return f.offset == ELF_NOWHERE || w->visit(w->ctx, &f);
}

static bool visit_table(const struct elf *elf, Elf *e, Elf_Scn *table, const struct walk *w)
{
	Elf_Data *data = elf_getdata(table, NULL);
	GElf_Shdr h;
	GElf_Sym sym;

	if (!data || !gelf_getshdr(table, &h))
		return true;
	for (int i = 1; gelf_getsym(data, i, &sym); i++)
		if (!visit_symbol(elf, &sym, elf_strptr(e, h.sh_link, sym.st_name), w))
			return false;
	return true;
}

static bool visit_debug_file(const struct elf *elf, const struct walk *w)
{
	const char *path = section_debug_path(elf->arena, elf->e), *why;
	struct elf *debug = path ? elf_open(elf->arena, path, &why) : NULL;
	bool more = true;

	if (debug && debug->symtab)
		more = visit_table(elf, debug->e, debug->symtab, w);
	if (debug)
		elf_close(debug);
	return more;
}

static void visit_packed(const struct elf *elf, const struct walk *w)
{
	char *memory;
	Elf *inner = section_packed(elf->e, &memory);
	GElf_Shdr h;

	for (Elf_Scn *s = NULL; inner && (s = elf_nextscn(inner, s));)
		if (gelf_getshdr(s, &h) && h.sh_type == SHT_SYMTAB && !visit_table(elf, inner, s, w))
			break;
	if (inner) {
		elf_end(inner);
		free(memory);
	}
}

static void visit_all(const struct elf *elf, const struct walk *w)
{
	if (elf->dynsym && !visit_table(elf, elf->e, elf->dynsym, w))
		return;
	if (elf->symtab)
		visit_table(elf, elf->e, elf->symtab, w);
	else if (visit_debug_file(elf, w))
		visit_packed(elf, w);
}

void elf_functions(const struct elf *elf, bool (*visit)(void *, const struct elf_function *), void *ctx)
{
	visit_all(elf, &(struct walk){ .visit = visit, .ctx = ctx });
}

void elf_objects(const struct elf *elf, bool (*visit)(void *, const struct elf_function *), void *ctx)
{
	visit_all(elf, &(struct walk){ .objects = true, .visit = visit, .ctx = ctx });
}

/* ---- USDT ------------------------------------------------------------------------------- */

/* The next string in the note; false: it has no end. */
static bool take_string(const char **p, const char *end, const char **string)
{
	const char *nul = *p < end ? memchr(*p, 0, (size_t)(end - *p)) : NULL;

	if (!nul)
		return false;
	*string = *p;
	*p = nul + 1;
	return true;
}

/* Three addresses (probe, base, semaphore), then provider, name and arguments. */
static bool read_note(const struct elf *elf, const char *desc, size_t size, uint64_t base,
		      struct elf_usdt *u)
{
	const char *p = desc + 24, *end = desc + size;
	uint64_t words[3];

	if (size < 24)
		return false;
	memcpy(words, desc, sizeof words);
	if (!take_string(&p, end, &u->provider) || !take_string(&p, end, &u->name) ||
	    !take_string(&p, end, &u->args))
		return false;
	/* A prelinked file has moved since the note was written, and the base with it. */
	u->address = words[0] + (base ? base - words[1] : 0);
	u->offset = elf_offset(elf, u->address);
	u->semaphore = words[2] ? elf_offset(elf, words[2] + (base ? base - words[1] : 0)) : 0;
	return u->offset != ELF_NOWHERE && u->semaphore != ELF_NOWHERE;
}

static void visit_notes(const struct elf *elf, Elf_Data *data, uint64_t base,
			void (*visit)(void *, const struct elf_usdt *), void *ctx)
{
	size_t at = 0, next, name, desc;
	GElf_Nhdr n;

	while ((next = gelf_getnote(data, at, &n, &name, &desc)) > 0) {
		const char *bytes = data->d_buf;
		struct elf_usdt u;

		if (n.n_type == 3 && n.n_namesz == 8 && !memcmp(bytes + name, "stapsdt", 8) &&
		    read_note(elf, bytes + desc, n.n_descsz, base, &u))
			visit(ctx, &u);
		at = next;
	}
}

void elf_usdts(const struct elf *elf, void (*visit)(void *, const struct elf_usdt *), void *ctx)
{
	Elf_Data *notes = section_named(elf->e, ".note.stapsdt", NULL);
	GElf_Shdr base;

	if (!notes)
		return;
	if (!section_named(elf->e, ".stapsdt.base", &base))
		base.sh_addr = 0;
	visit_notes(elf, notes, base.sh_addr, visit, ctx);
}
