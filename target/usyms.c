// SPDX-License-Identifier: Apache-2.0
/*
 * Addresses of processes: which file is mapped there, and which of its functions that is.
 *
 * What a process has mapped is read from /proc/PID/maps when its first address is to be named, and
 * again when that knowledge is old; or it is told by usyms_mapped() and its like, from the kernel's
 * records, and then outlives the process. Of several mappings that an address was in the latest
 * counts. Files are opened through /proc/PID/root, as the process sees them, and must be the ones that
 * it mapped; each is read once, whoever maps it.
 *
 * Code that a runtime made in memory is named by /tmp/perf-PID.map, if the process wrote one. Anybody
 * may put a file there: it must be a regular one, of the process's user or root, and not huge.
 */
#include "target/target.h"

#include <errno.h>
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { JIT_MAX = 64 << 20 };
/* Knowledge from /proc is believed for so long. */
enum { OLD_NS = 1000000000, JIT_OLD_NS = 50000000 };

struct module {
	const char *path;
	dev_t device;
	uint64_t inode;
	struct symtab *symtab; /* NULL: not read yet, or can't be */
	bool tried;
};

struct mapping {
	uint64_t start, end, offset;
	struct module *module; /* NULL: memory without a file */
};

struct jitted {
	uint64_t start, size;
	const char *name;
};

struct process {
	pid_t pid, inner; /* inner: as its own namespace numbers it */
	uid_t user;
	int64_t read_at;  /* 0: never */
	bool told;        /* by records: /proc has nothing to add */
	bool gone;
	VEC(struct mapping) maps; /* the latest last */
	VEC(struct jitted) jitted;
	off_t jit_size;
	int64_t jit_at;   /* when that file was last looked for */
};

struct usyms {
	struct arena arena;
	bool demangles;
	struct table processes, modules;
	bool doubted; /* some records were lost */
	void (*refresh)(void *);
	void *refresh_context;
};

struct usyms *usyms_open(void)
{
	struct arena a = { 0 };
	struct usyms *u = arena_alloc(&a, sizeof *u);

	u->arena = a;
	u->demangles = true;
	return u;
}

void usyms_close(struct usyms *u)
{
	struct arena a = u->arena; /* u itself lies in it */

	arena_free(&a);
}

void usyms_demangle(struct usyms *u, bool demangles)
{
	u->demangles = demangles;
}

static struct process *process_of(struct usyms *u, pid_t pid)
{
	struct str key = { (const char *)&pid, sizeof pid };
	struct process *p = table_get(&u->processes, key);

	if (p)
		return p;
	p = arena_alloc(&u->arena, sizeof *p);
	p->pid = p->inner = pid;
	key.s = (const char *)&p->pid;
	table_set(&u->arena, &u->processes, key, p);
	return p;
}

/* ---- mappings --------------------------------------------------------------------------- */

static struct module *module_of(struct usyms *u, struct str path, dev_t device, uint64_t inode)
{
	struct str key = str_of(arena_printf(&u->arena, "%llx %llx %.*s", (unsigned long long)device,
					     (unsigned long long)inode, STR_ARG(path)));
	struct module *m = table_get(&u->modules, key);

	if (m)
		return m;
	m = arena_alloc(&u->arena, sizeof *m);
	*m = (struct module){ .path = str_dup(&u->arena, path), .device = device, .inode = inode };
	table_set(&u->arena, &u->modules, key, m);
	return m;
}

static void add_mapping(struct usyms *u, struct process *p, struct mapping m, struct str path,
			dev_t device, uint64_t inode)
{
	if (path.len && !str_is(path, "//anon") && (path.s[0] == '/' || str_is(path, "[vdso]")))
		m.module = module_of(u, path, device, inode);
	*vec_push(&u->arena, &p->maps) = m;
}

static const struct mapping *mapping_at(const struct process *p, uint64_t address)
{
	for (uint32_t i = p->maps.n; i > 0; i--)
		if (address - p->maps.v[i - 1].start < p->maps.v[i - 1].end - p->maps.v[i - 1].start)
			return &p->maps.v[i - 1];
	return NULL;
}

/* ---- /proc ------------------------------------------------------------------------------ */

static const char *proc_path(struct usyms *u, const struct process *p, const char *what)
{
	return target_path(&u->arena, arena_printf(&u->arena, "/proc/%d/%s", p->pid, what));
}

/* "7f12-7f34 r-xp 00002000 fe:01 1234   /usr/lib/libc.so.6" */
static void take_line(struct usyms *u, struct process *p, struct str line)
{
	unsigned long long start, end, offset, inode;
	char text[PATH_MAX + 128], exec;
	unsigned major, minor;
	int path = 0;

	snprintf(text, sizeof text, "%.*s", STR_ARG(line));
	if (sscanf(text, "%llx-%llx %*c%*c%c%*c %llx %x:%x %llu %n", &start, &end, &exec, &offset, &major,
		   &minor, &inode, &path) < 7 || exec != 'x' || end <= start)
		return;
	add_mapping(u, p, (struct mapping){ start, end, offset, NULL },
		    path ? str_of(text + path) : STR(""), makedev(major, minor), inode);
}

/* Its last word is the number in the innermost namespace. */
static void take_inner(struct process *p, struct str line)
{
	const char *at = line.s + line.len;

	while (at > line.s && at[-1] >= '0' && at[-1] <= '9')
		at--;
	p->inner = (pid_t)strtol(at, NULL, 10);
}

static bool each_line(struct usyms *u, struct process *p, const char *file,
		      void (*take)(struct usyms *, struct process *, struct str))
{
	struct lines *lines = malloc(sizeof *lines);
	struct str line;

	if (!lines || !lines_open(lines, &u->arena, proc_path(u, p, file))) {
		free(lines);
		return false;
	}
	while (lines_next(lines, &line))
		take(u, p, line);
	lines_close(lines);
	free(lines);
	return true;
}

static void take_status(struct usyms *u, struct process *p, struct str line)
{
	(void)u;
	if (str_starts(line, "NSpid:"))
		take_inner(p, line);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}

/* A process that has gone keeps what was known of it. */
static void read_process(struct usyms *u, struct process *p)
{
	int64_t now = now_ns();
	uint32_t known = p->maps.n;

	if ((p->told && !u->doubted) || (p->read_at && now - p->read_at < OLD_NS))
		return;
	p->read_at = now;
	p->maps.n = 0;
	each_line(u, p, "maps", take_line);
	if (!p->maps.n)
		p->maps.n = known;
}

/* ---- told by records -------------------------------------------------------------------- */

void usyms_refresh(struct usyms *u, void (*refresh)(void *), void *context)
{
	u->refresh = refresh;
	u->refresh_context = context;
}

void usyms_present(struct usyms *u, pid_t pid)
{
	struct process *p = process_of(u, pid);

	read_process(u, p);
	p->told = true;
}

void usyms_mapped(struct usyms *u, pid_t pid, uint64_t start, uint64_t length, uint64_t offset,
		  struct str path, dev_t device, uint64_t inode)
{
	struct process *p = process_of(u, pid);

	add_mapping(u, p, (struct mapping){ start, start + length, offset, NULL }, path, device, inode);
}

/* The child has what its parent had, before anything of its own. */
void usyms_forked(struct usyms *u, pid_t parent, pid_t pid)
{
	struct process *from = process_of(u, parent), *p = process_of(u, pid);
	uint32_t own = p->gone ? 0 : p->maps.n;

	*p = (struct process){ .pid = pid, .inner = pid, .user = from->user, .told = true, .maps = p->maps };
	p->maps.n = own;
	for (uint32_t i = 0; i < from->maps.n; i++)
		*vec_push(&u->arena, &p->maps) = from->maps.v[i];
	if (!own || !from->maps.n)
		return;
	memmove(p->maps.v + from->maps.n, p->maps.v, own * sizeof *p->maps.v);
	memcpy(p->maps.v, from->maps.v, from->maps.n * sizeof *p->maps.v);
}

/* What it mapped stays known until another process gets its number. */
void usyms_exited(struct usyms *u, pid_t pid)
{
	process_of(u, pid)->gone = true;
}

void usyms_doubt(struct usyms *u)
{
	u->doubted = true;
}

/* ---- files ------------------------------------------------------------------------------ */

/* The process's root; ours, if it has gone. */
static int open_root(struct usyms *u, const struct process *p)
{
	int fd = open(proc_path(u, p, "root"), O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Another file may stand in the place of the one that was mapped. (Layered file systems tell maps and
 * stat different devices; there the path has to do.) */
static bool is_same_file(int fd, const struct module *m)
{
	struct stat st;

	return !fstat(fd, &st) && (st.st_dev != m->device || st.st_ino == m->inode);
}

static int open_module(struct usyms *u, const struct process *p, const struct mapping *at, int root)
{
	int fd = open_in_root(root, at->module->path, 0);

	if (fd >= 0 && is_same_file(fd, at->module))
		return fd;
	if (fd >= 0)
		close(fd);
	return open(proc_path(u, p, arena_printf(&u->arena, "map_files/%llx-%llx", (unsigned long long)at->start,
						 (unsigned long long)at->end)),
		    O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* The kernel's own library, which is the same in all processes. */
static struct symtab *vdso_symbols(struct usyms *u)
{
	const ElfW(Ehdr) *image = (const ElfW(Ehdr) *)getauxval(AT_SYSINFO_EHDR);

	return image ? symtab_of_memory(&u->arena, image,
					image->e_shoff + (size_t)image->e_shnum * image->e_shentsize, false)
		     : NULL;
}

static struct symtab *symbols_of(struct usyms *u, const struct process *p, const struct mapping *at)
{
	struct module *m = at->module;
	int root, fd;

	if (m->tried)
		return m->symtab;
	m->tried = true;
	if (m->path[0] == '[')
		return m->symtab = vdso_symbols(u);
	root = open_root(u, p);
	fd = open_module(u, p, at, root);
	if (fd >= 0)
		m->symtab = symtab_of_file(&u->arena, fd, root, u->demangles);
	if (fd >= 0)
		close(fd);
	if (root >= 0)
		close(root);
	return m->symtab;
}

/* ---- code made at run time -------------------------------------------------------------- */

/* "7f1234 40 name" */
static void take_jitted(struct usyms *u, struct process *p, struct str line)
{
	char *end, *text = str_dup(&u->arena, line);
	struct jitted j = { .start = strtoull(text, &end, 16) };

	if (end == text || *end != ' ')
		return;
	j.size = strtoull(end, &end, 16);
	if (*end != ' ' || !j.size || !end[1])
		return;
	j.name = end + 1;
	*vec_push(&u->arena, &p->jitted) = j;
}

static bool is_trusted(const struct process *p, const struct stat *st)
{
	return S_ISREG(st->st_mode) && (st->st_uid == p->user || !st->st_uid) && st->st_size <= JIT_MAX;
}

/* Who it is, if it is still there. */
static void read_identity(struct usyms *u, struct process *p)
{
	struct stat st;

	each_line(u, p, "status", take_status);
	if (!stat(proc_path(u, p, ""), &st))
		p->user = st.st_uid;
}

static int open_jit_map(struct usyms *u, struct process *p, struct stat *st)
{
	int root = open_root(u, p), fd;

	read_identity(u, p);
	/* Somebody else's link could name a file that only we may read. */
	fd = open_in_root(root, arena_printf(&u->arena, "/tmp/perf-%d.map", p->inner), O_NOFOLLOW);

	if (root >= 0)
		close(root);
	if (fd >= 0 && (fstat(fd, st) || !is_trusted(p, st))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Reads what the runtime has appended since the last time. Its last line may still be under way. */
static void read_jit_map(struct usyms *u, struct process *p)
{
	struct stat st;
	int fd = open_jit_map(u, p, &st);
	char *text, *line, *end;
	ssize_t n;

	if (fd < 0)
		return;
	if (st.st_size < p->jit_size)
		p->jit_size = 0;
	text = malloc((size_t)(st.st_size - p->jit_size) + 1);
	n = text ? pread(fd, text, (size_t)(st.st_size - p->jit_size), p->jit_size) : 0;
	close(fd);
	for (line = text; n > 0 && (end = memchr(line, '\n', (size_t)(text + n - line))); line = end + 1)
		take_jitted(u, p, (struct str){ line, (uint32_t)(end - line) });
	p->jit_size += line - text;
	free(text);
}

static const char *jitted_at(const struct process *p, uint64_t address, uint64_t *offset)
{
	for (uint32_t i = p->jitted.n; i > 0; i--) {
		const struct jitted *j = &p->jitted.v[i - 1];

		*offset = address - j->start;
		if (*offset < j->size)
			return j->name;
	}
	return NULL;
}

static const char *jitted_name(struct usyms *u, struct process *p, uint64_t address, uint64_t *offset)
{
	const char *name = jitted_at(p, address, offset);

	if (name || (p->jit_at && now_ns() - p->jit_at < JIT_OLD_NS))
		return name;
	p->jit_at = now_ns();
	read_jit_map(u, p);
	return jitted_at(p, address, offset);
}

/* ---- naming ----------------------------------------------------------------------------- */

void usyms_find(struct usyms *u, pid_t pid, uint64_t address, struct usym *sym)
{
	const struct mapping *at;
	struct process *p;
	struct symtab *t;

	*sym = (struct usym){ 0 };
	if (u->refresh)
		u->refresh(u->refresh_context);
	p = process_of(u, pid);
	read_process(u, p);
	at = mapping_at(p, address);
	if (!at)
		return;
	sym->path = at->module ? at->module->path : NULL;
	t = at->module ? symbols_of(u, p, at) : NULL;
	/* Code made at run time may lie in a file, too: one in memory. */
	if (t)
		sym->name = symtab_name(t, address - at->start + at->offset, &sym->offset);
	else
		sym->name = jitted_name(u, p, address, &sym->offset);
}
