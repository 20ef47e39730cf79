// SPDX-License-Identifier: Apache-2.0
/*
 * Each reader of bytes that xbt doesn't trust, as a function of them, for libFuzzer: $READER says which.
 * tests/fuzz-readers builds corpora and runs them.
 *
 * Beside sanitizers' findings a reader fails if a formatted script formats otherwise the second time. What
 * reads files by their place gets them in a folder of its own, which stands for the root.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codegen/generate.h"
#include "sema/ctype.h"
#include "target/target.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void (*reader)(struct str);
static char root[64];
static FILE *nowhere;

/* ---- scripts ---------------------------------------------------------------------------- */

static void begin(struct script *s, struct str text)
{
	*s = (struct script){ .pid = -1, .unsafe = true };
	config_init(s);
	s->types.arena = &s->arena;
	s->diag = (struct diag){ .arena = &s->work, .source = &s->source };
	source_init(&s->arena, &s->source, "fuzz", text);
}

static void end(struct script *s)
{
	diag_print(&s->diag, nowhere);
	if (s->ksyms)
		ksyms_close(s->ksyms);
	arena_free(&s->work);
	arena_free(&s->arena);
}

static bool everything(const struct dumps *d, const char *stage)
{
	(void)d;
	(void)stage;
	return true;
}

static void ran(struct script *s, const char *stage, void *ctx)
{
	(void)s;
	(void)stage;
	(void)ctx;
}

static void read_script(struct str text)
{
	struct dumps dumps = { everything, "all", nowhere };
	struct image *image = NULL;
	struct script s;

	begin(&s, text);
	if (front(&s, "plan", ran, NULL, nowhere))
		image = generate(&s, &dumps);
	end(&s);
	image_free(image);
}

/* NULL: it has an error. */
static char *formatted(struct str text, size_t *n)
{
	char *out = NULL;
	FILE *f = open_memstream(&out, n);
	struct script s;
	bool fine;

	begin(&s, text);
	print_formatted(&s, f);
	fine = !s.diag.nerror;
	end(&s);
	fclose(f);
	if (fine)
		return out;
	free(out);
	return NULL;
}

static void read_layout(struct str text)
{
	size_t n = 0, again_n = 0;
	char *once = formatted(text, &n), *twice;

	if (!once)
		return;
	twice = formatted((struct str){ once, (uint32_t)n }, &again_n);
	if (!twice || n != again_n || memcmp(once, twice, n)) {
		fprintf(stderr, "---- once\n%s---- twice\n%s----\n", once, twice ? twice : "an error\n");
		abort();
	}
	free(once);
	free(twice);
}

static void read_c(struct str text)
{
	struct script s;

	begin(&s, text);
	cpart_read(&s);
	cpp_file(&s, "fuzz.h", text, (struct span){ 0, 0 }, 0);
	end(&s);
}

/* ---- the kernel's files ----------------------------------------------------------------- */

enum { DEFINED = 1 << BTF_KIND_STRUCT | 1 << BTF_KIND_UNION | 1 << BTF_KIND_ENUM | 1 << BTF_KIND_ENUM64 };

struct shown {
	struct arena *arena;
	const struct btf_file *btf;
	uint32_t found[64], n; /* what each of the first names led to, in turn */
};

static bool show_type(void *ctx, uint32_t id, struct str name)
{
	const struct shown *t = ctx;

	if (1u << btf_record_kind(btf_record(t->btf, id)) & DEFINED)
		btf_definition(t->arena, t->btf, id, nowhere);
	btf_declaration(t->arena, t->btf, id, name);
	return true;
}

static bool find_first(void *ctx, uint32_t id, struct str name)
{
	struct shown *t = ctx;

	(void)id;
	t->found[t->n++] = btf_find(t->btf, name, ~0u);
	return t->n < LEN(t->found);
}

/* By now there is an index. */
static bool find_again(void *ctx, uint32_t id, struct str name)
{
	struct shown *t = ctx;

	(void)id;
	if (t->found[t->n++] != btf_find(t->btf, name, ~0u))
		abort();
	return t->n < LEN(t->found);
}

static void read_btf(struct str bytes)
{
	struct arena a = { 0 };
	const char *why;
	struct shown t = { .arena = &a, .btf = btf_parse(&a, bytes, NULL, &why) };
	uint32_t member;

	if (t.btf) {
		btf_each(t.btf, ~0u, show_type, &t);
		btf_each(t.btf, ~0u, find_first, &t);
		for (uint32_t i = 0; i < 9; i++)
			btf_find(t.btf, STR("\1\2"), ~0u);
		t.n = 0;
		btf_each(t.btf, ~0u, find_again, &t);
		btf_find(t.btf, STR("task_struct"), ~0u);
		btf_find_enumerator(t.btf, STR("one"), &member);
	}
	arena_free(&a);
}

static void read_format(struct str text)
{
	struct arena a = { 0 };
	struct tracefs_event e;

	tracefs_parse(&a, text, &e);
	arena_free(&a);
}

static void write_file(const char *name, struct str text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%s", root, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text.s, text.len) != (ssize_t)text.len || close(fd))
		abort();
}

/* The names of the first symbols, and what each led to. */
struct asked {
	struct str name[32];
	uint64_t sum[32];
	uint32_t n;
};

static bool keep_name(void *ctx, const struct ksym *sym)
{
	struct asked *a = ctx;

	a->name[a->n++] = sym->name;
	return a->n < LEN(a->name);
}

static bool add_up(void *ctx, const struct ksym *sym)
{
	uint64_t *sum = ctx;

	*sum = *sum * 31 + sym->address + sym->name.len + sym->module.len;
	return true;
}

/* By a search in the text, and by the index that there is after some of them. */
static void ask_twice(struct ksyms *k)
{
	struct asked a = { 0 };

	ksyms_each(k, keep_name, &a);
	for (uint32_t i = 0; i < a.n; i++)
		ksyms_named(k, a.name[i], add_up, &a.sum[i]);
	for (uint32_t i = 0; i < 25; i++)
		ksyms_named(k, STR("?"), add_up, &(uint64_t){ 0 });
	for (uint32_t i = 0; i < a.n; i++) {
		uint64_t again = 0;

		ksyms_named(k, a.name[i], add_up, &again);
		if (again != a.sum[i])
			abort();
	}
}

static void read_kallsyms(struct str text)
{
	struct ksyms *k = ksyms_open();
	uint64_t offset;
	bool found;

	write_file("proc/kallsyms", text);
	ask_twice(k);
	ksyms_name(k, 0xffffffff81000010, &offset);
	ksyms_address(k, STR("vfs_read"), &found);
	ksyms_near(k, &(struct near){ .wanted = STR("vfs_reed") });
	ksyms_close(k);
}

/* What a process has mapped, and behind a byte 1 the names of what it made in memory. */
static void read_process(struct str text)
{
	const char *split = text.len ? memchr(text.s, 1, text.len) : NULL;
	uint32_t n = split ? (uint32_t)(split - text.s) : text.len;
	struct usyms *u = usyms_open();
	struct usym sym;

	write_file("proc/7/maps", (struct str){ text.s, n });
	write_file("tmp/perf-7.map", (struct str){ text.s + n + !!split, text.len - n - !!split });
	usyms_find(u, 7, 0x1010, &sym);
	usyms_find(u, 7, 0x7f0000002010, &sym);
	usyms_close(u);
}

/* ---- programs --------------------------------------------------------------------------- */

static bool look_at_function(void *ctx, const struct elf_function *f)
{
	struct elf *elf = ctx;
	char bytes[16];

	elf_bytes(elf, f->offset, bytes, sizeof bytes);
	instruction_starts(elf, f->offset, 3);
	return true;
}

static void look_at_usdt(void *ctx, const struct elf_usdt *u)
{
	*(size_t *)ctx += strlen(u->provider) + strlen(u->name) + strlen(u->args);
}

static void name_offsets(struct symtab *t)
{
	uint64_t offset;

	for (uint64_t at = 0; t && at < 0x4000; at += 0x40)
		symtab_name(t, at, &offset);
}

static void read_elf(struct str bytes)
{
	static size_t length;
	struct arena a = { 0 };
	int fd = memfd_create("elf", MFD_CLOEXEC);
	const char *why;
	struct elf *elf;

	if (fd < 0 || write(fd, bytes.s, bytes.len) != (ssize_t)bytes.len)
		abort();
	elf = elf_open(&a, arena_printf(&a, "/proc/self/fd/%d", fd), &why);
	if (elf) {
		elf_functions(elf, look_at_function, elf);
		elf_objects(elf, look_at_function, elf);
		elf_usdts(elf, look_at_usdt, &length);
		elf_close(elf);
	}
	name_offsets(symtab_of_file(&a, fd, AT_FDCWD, true));
	name_offsets(symtab_of_memory(&a, bytes.s, bytes.len, true));
	close(fd);
	arena_free(&a);
}

/* ---- which ------------------------------------------------------------------------------ */

static void make_root(void)
{
	static const char *const folders[] = { "proc", "proc/7", "proc/7/root", "proc/7/root/tmp" };
	char path[128], to[128];

	snprintf(root, sizeof root, "%s/root.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(root))
		abort();
	for (size_t i = 0; i < LEN(folders); i++) {
		snprintf(path, sizeof path, "%s/%s", root, folders[i]);
		mkdir(path, 0755);
	}
	snprintf(path, sizeof path, "%s/tmp", root);
	snprintf(to, sizeof to, "%s/proc/7/root/tmp", root);
	if (symlink(to, path))
		abort();
	write_file("proc/7/status", STR("Name:\tfuzz\nNSpid:\t7\n"));
	setenv("XBT_ROOT", root, 1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const struct {
		const char *name;
		void (*read)(struct str);
		bool own_root;
	} readers[] = {
		{ "script", read_script, false }, { "layout", read_layout, false }, { "c", read_c, false },
		{ "btf", read_btf, false }, { "format", read_format, false }, { "elf", read_elf, false },
		{ "kallsyms", read_kallsyms, true }, { "process", read_process, true },
	};
	const char *wanted = getenv("READER");

	(void)argc;
	(void)argv;
	nowhere = fopen("/dev/null", "we");
	for (size_t i = 0; i < LEN(readers); i++)
		if (wanted && !strcmp(wanted, readers[i].name)) {
			reader = readers[i].read;
			if (readers[i].own_root)
				make_root();
			return 0;
		}
	fputs("READER names no reader\n", stderr);
	exit(1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct arena a = { 0 };

	/* As files are read: with a zero byte behind. */
	reader((struct str){ str_dup(&a, (struct str){ (const char *)bytes, (uint32_t)n }), (uint32_t)n });
	arena_free(&a);
	return 0;
}
