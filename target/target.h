// SPDX-License-Identifier: Apache-2.0
/*
 * target: facts about the machine under observation, read lazily, cached where that pays.
 * Every path under /sys and /proc goes through target_path(), so that XBT_ROOT=DIR gives the
 * whole compiler a frozen kernel (tests/fixture).
 */
#ifndef XBT_TARGET_H
#define XBT_TARGET_H

#include <linux/btf.h>
#include <sys/types.h>

#include "core/core.h"

/* ---- path.c ----------------------------------------------------------------------------- */

/* $XBT_ROOT + path, in the arena. */
const char *target_path(struct arena *, const char *path);
/* Is XBT_ROOT set? */
bool target_is_frozen(void);
/* A whole small file under target_path(), without its last newline; empty text and errno set if
 * it can't be read. */
struct str target_read(struct arena *, const char *path);

/* read(2), again if a signal came between. */
ssize_t target_read_some(int fd, char *, size_t);

/* A large file, line by line, never held whole. */
struct lines {
	int fd;
	uint32_t beg, end;
	bool failed; /* could not be opened, or not be read to its end */
	char buf[1 << 16];
};
bool lines_open(struct lines *, struct arena *, const char *path);
/* The slice is good until the next call. */
bool lines_next(struct lines *, struct str *line);
void lines_close(struct lines *);

/* ---- glob.c ----------------------------------------------------------------------------- */

/* '*' is the only wildcard. */
bool glob_has(struct str pattern);
bool glob_match(struct str pattern, struct str name);

/* ---- tracefs.c -------------------------------------------------------------------------- */

/* Where tracefs is ("/sys/kernel/tracing" or "/sys/kernel/debug/tracing"); NULL and *why (with how
 * to mount it) if it isn't there or can't be read. */
const char *tracefs_root(struct arena *, const char **why);

struct tracefs_field {
	struct str ctype, name; /* "const char *", "filename"; arrays: ctype "char[16]" */
	uint32_t offset, size;  /* size: of the whole field; of a __data_loc: 4 */
	bool is_signed;
	bool data_loc;          /* a u32 tells where and how long; ctype without __data_loc: "char[]" */
	bool rel_loc;           /* data_loc too, but counted from the end of the field: __rel_loc */
	bool pointer;
	uint32_t elements;      /* of an array; 0: not an array */
	uint32_t element_size;
};

struct tracefs_event {
	uint32_t id;
	VEC(struct tracefs_field) fields; /* without the common_ ones */
	uint32_t size;                    /* of the record, from its start */
};

/* Parses the text of a `format` file (untrusted: fuzzed). False if it is not one. */
bool tracefs_parse(struct arena *, struct str text, struct tracefs_event *);
/* Reads an event's format. False, errno set, if there is no such event. */
bool tracefs_event(struct arena *, const char *category, const char *event, struct tracefs_event *);
/* The id alone, from the small `id` file. -1 if there is no such event. */
int64_t tracefs_event_id(struct arena *, const char *category, const char *event);
struct ksyms;

/* Calls visit for each category:event that matches both patterns, in sorted order. Returns how many. */
uint32_t tracefs_each(struct arena *, struct str category, struct str event,
		      void (*visit)(void *ctx, const char *category, const char *event), void *ctx);
/* The same for the functions that kprobes take: available_filter_functions if it can be read, else
 * kallsyms' text symbols. Module functions come with their module's name, others with "". Each pair
 * once, sorted by function, then module. False: neither file can be read. Symbols NULL: its own. */
bool tracefs_functions(struct arena *, struct ksyms *, struct str pattern,
		       void (*visit)(void *ctx, const char *function, const char *module), void *ctx);
/* Can ftrace trace the function? False: that can't be read. */
bool tracefs_is_traced(struct arena *, struct str function, bool *yes);

/* ---- ksyms.c: /proc/kallsyms, read once and as far as needed ----------------------------- */

struct ksym {
	uint64_t address;
	char type;               /* as nm has it: 'T', 't', 'D', ... */
	struct str name, module; /* module: empty for the kernel proper */
};
bool ksym_is_function(const struct ksym *);

struct ksyms;
struct ksyms *ksyms_open(void); /* reads nothing yet; free with ksyms_close */
void ksyms_close(struct ksyms *);
typedef bool ksym_visit(void *ctx, const struct ksym *);
/* Takes each symbol to visit until that returns false; its texts are good for that long. In the
 * file's order until the first address was named. False: the file can't be read. */
bool ksyms_each(struct ksyms *, ksym_visit *visit, void *ctx);
/* The same for those of that name, and those that the compiler made of them ("name.isra.0"). */
bool ksyms_named(struct ksyms *, struct str name, ksym_visit *visit, void *ctx);
/* The symbol that contains the address: its name, and how far into it. Empty: none. */
struct str ksyms_name(struct ksyms *, uint64_t address, uint64_t *offset);
/* The address of a symbol; *found tells a symbol whose address is hidden (0) from none at all. */
uint64_t ksyms_address(struct ksyms *, struct str name, bool *found);
/* Near misses for "did you mean"; they live until ksyms_close. */
void ksyms_near(struct ksyms *, struct near *);

/* ---- ksym_ask.c: the kernel asked for symbols ------------------------------------------- */

/* The addresses of the symbols of these names, 0 where there is none (those of BPF programs aren't known).
 * False: the kernel can't be asked (Linux 6.2, CAP_BPF; not a frozen one), or it hides addresses. */
bool ksym_ask(const char *const *names, uint32_t n, uint64_t *addresses);

/* ---- symtab.c: the functions of an ELF file, by address --------------------------------- */

/* Opens a regular file, as whoever has that root sees it (flags: O_NOFOLLOW, or 0). -1 if there is none. */
int open_in_root(int root, const char *path, int flags);

struct symtab;
/* Files with debug information are looked for under root. NULL: it is no ELF file. */
struct symtab *symtab_of_file(struct arena *, int fd, int root, bool demangles);
struct symtab *symtab_of_memory(struct arena *, const void *image, size_t size, bool demangles);
/* The function at an offset in the file, and how far into it. NULL: none is known. */
const char *symtab_name(struct symtab *, uint64_t file_offset, uint64_t *offset);

/* ---- usyms.c: addresses of processes ---------------------------------------------------- */

struct usyms;
struct usyms *usyms_open(void); /* reads nothing yet; free with usyms_close */
void usyms_close(struct usyms *);
/* Are names of C++, Rust and the like shown as they are written? They are, by default. */
void usyms_demangle(struct usyms *, bool);

/* Instead of asking /proc: the process is there now; and what happens to it from now on. `refresh` is
 * called before an address is named. */
void usyms_refresh(struct usyms *, void (*refresh)(void *), void *context);
void usyms_present(struct usyms *, pid_t);
void usyms_mapped(struct usyms *, pid_t, uint64_t start, uint64_t length, uint64_t offset, struct str path,
		  dev_t, uint64_t inode);
void usyms_forked(struct usyms *, pid_t parent, pid_t);
void usyms_exited(struct usyms *, pid_t);
/* Not all of it was told: /proc is to be asked again. */
void usyms_doubt(struct usyms *);

struct usym {
	const char *name; /* NULL: not known */
	uint64_t offset;  /* how far into it */
	const char *path; /* of the file that is mapped there; NULL: not known */
};
void usyms_find(struct usyms *, pid_t, uint64_t address, struct usym *);
/* ---- btf.c: the kernel's types ------------------------------------------------------------ */

struct btf_file;

#define BTF_FOLDER "/sys/kernel/btf"
/* The names of the modules that have BTF, in order. */
uint32_t btf_modules(struct arena *, const char ***names);
/* Reads a file (the path as it is: target_path() is the caller's). `base`: what a module's BTF goes on
 * from; NULL: it stands alone. On failure NULL and *why, a clause. All lives in the arena. */
struct btf_file *btf_read(struct arena *, const char *path, const struct btf_file *base, const char **why);
/* The same of bytes, which must live on (untrusted: fuzzed). */
struct btf_file *btf_parse(struct arena *, struct str bytes, const struct btf_file *base, const char **why);
/* A record by its id; one of BTF_KIND_UNKN if there is none. Its members follow it, as linux/btf.h has
 * them, surely within the file. */
const struct btf_type *btf_record(const struct btf_file *, uint32_t id);
uint32_t btf_record_kind(const struct btf_type *);
uint32_t btf_record_members(const struct btf_type *);
/* Empty if the offset makes no sense. */
struct str btf_name(const struct btf_file *, uint32_t offset);
/* The id of the file's own record of that name and of one of the kinds (bits 1 << BTF_KIND_...); 0: none. */
uint32_t btf_find(const struct btf_file *, struct str name, uint32_t kinds);
/* The id of the file's own enum that has an enumerator of that name, and which it is; 0: none. */
uint32_t btf_find_enumerator(const struct btf_file *, struct str name, uint32_t *member);
/* All named records of the file's own of these kinds, until visit returns false. */
void btf_each(const struct btf_file *, uint32_t kinds,
	      bool (*visit)(void *ctx, uint32_t id, struct str name), void *ctx);

/* ---- elf.c: programs and libraries ------------------------------------------------------ */

struct elf;
/* NULL, and *why one clause about the file, if it is none that this machine could run. */
struct elf *elf_open(struct arena *, const char *path, const char **why);
void elf_close(struct elf *);
/* Made by Go's own compiler: its stacks move, so returns can't be probed. */
bool elf_is_go(const struct elf *);
/* Without .symtab: only what other files may call has a name. */
bool elf_is_stripped(const struct elf *);

#define ELF_NOWHERE UINT64_MAX
/* Where in the file an address is; ELF_NOWHERE: it is not in it. */
uint64_t elf_offset(const struct elf *, uint64_t address);
/* Reads at most n bytes at an offset; how many there were. */
size_t elf_bytes(const struct elf *, uint64_t offset, void *to, size_t n);

struct elf_function {
	struct str name;
	uint64_t address, size, offset; /* offset: in the file */
	bool indirect; /* it only chooses, when the program starts, which other one is called */
};
/* Each function symbol, some twice, until visit returns false. */
void elf_functions(const struct elf *, bool (*visit)(void *ctx, const struct elf_function *), void *ctx);
/* The same for variables. */
void elf_objects(const struct elf *, bool (*visit)(void *ctx, const struct elf_function *), void *ctx);

struct elf_usdt {
	const char *provider, *name, *args; /* args: "8@%rdi -4@$5"; all die with the elf */
	uint64_t address, offset;
	uint64_t semaphore; /* its offset in the file; 0: it has none */
};
void elf_usdts(const struct elf *, void (*visit)(void *ctx, const struct elf_usdt *), void *ctx);

/* ---- insn.c, cpp.c ---------------------------------------------------------------------- */

/* Does an instruction begin that many bytes behind one that stands at `start` in the file? */
bool instruction_starts(const struct elf *, uint64_t start, uint64_t offset);
/* Is the symbol what C++ calls so: with its parameters if `wanted` has some, by name alone else? */
bool cpp_matches(struct arena *, struct str wanted, struct str symbol);

/* ---- binaries.c: where programs and libraries are ---------------------------------------- */

/* A path for what a script calls a program or library: a path with a slash as it is, else a program
 * on PATH or a library that the dynamic linker knows ("libc", "libssl.so.3"). NULL: there is none. */
const char *binary_find(struct arena *, struct str name);
/* Each file whose code a process (pid <= 0: any process) has mapped, once. */
void binaries_mapped(struct arena *, int pid, void (*visit)(void *ctx, const char *path), void *ctx);

/* ---- btf_text.c: BTF as C ---------------------------------------------------------------- */

/* "struct path { ... };", several lines */
void btf_definition(struct arena *, const struct btf_file *, uint32_t id, FILE *);
/* "const char *name" */
const char *btf_declaration(struct arena *, const struct btf_file *, uint32_t id, struct str name);

/* ---- constants.c: numbers that BTF has no names of --------------------------------------- */

/* Negative: the value is one of int64, else of uint64. */
bool constant_value(struct str name, uint64_t *value, bool *negative);
/* Near misses for "did you mean". */
void constant_near(struct near *);

/* ---- features.c: what this kernel and this process can do ------------------------------- */

struct features {
	uint32_t release;      /* major << 16 | minor << 8: 6.1 is 0x60100 */
	const char *release_text;
	bool btf;              /* /sys/kernel/btf/vmlinux exists */
	bool kprobes;          /* perf has a kprobe PMU */
	bool cap_bpf, cap_perfmon, cap_sys_admin; /* effective capabilities of this process */
	const char *lockdown;  /* "none", "integrity", "confidentiality"; NULL: no lockdown LSM */
};
void features_read(struct arena *, struct features *);
/* Can programs be loaded? NULL if so, else one sentence that names the missing capability or the
 * lockdown, in the arena. */
const char *features_refusal(struct arena *, const struct features *);
/* Is there a module of that name that could be loaded, but isn't? */
bool features_unloaded(struct arena *, struct str module);
/* How the kernel was configured for "CONFIG_X": 'y', 'm', 'n'; 0 if nobody can tell. */
char features_config(struct arena *, const char *option);

/* ---- names.c: numbers and names of the system ------------------------------------------- */

enum { SIGNAL_MAX = 64 };
/* "KILL" or "SIGKILL"; 0: there is none of that name. */
int signal_number(struct str name);
/* "openat"; NULL: this architecture has no such system call. */
const char *syscall_text(uint64_t number);
/* The 4 or 16 bytes of an address in text, in network order; 0: it is none. */
uint32_t address_bytes(struct str text, uint8_t bytes[16]);
/* A cgroup's id, by its path. */
bool cgroup_id(struct arena *, struct str path, uint64_t *id);
/* The path of the cgroup with that id, in each mounted hierarchy whose name ("unified": v2) the glob
 * matches: "unified:/system.slice", joined by commas; empty: it is gone. In the arena. */
struct str cgroup_find(struct arena *, uint64_t id, struct str glob);
/* How many CPUs there can be. */
uint32_t cpus_possible(void);
/* Is this process in another PID namespace than the first one? Then these name it. */
bool pid_namespace(uint64_t *dev, uint64_t *inode);

/* ---- arch.c: register and calling facts, in one place for each architecture ------------- */

struct arch {
	const char *name;               /* "x86_64", as uname -m has it */
	const int16_t *arg;             /* offsets into struct pt_regs of arg0, arg1, ... */
	uint32_t nargs;
	int16_t retval, ip;             /* offsets of the return value and the instruction pointer */
	int16_t sp;                     /* offset of the stack pointer */
	int32_t stack_args;             /* at entry, how far from it the first argument on the stack is */
	bool result_first;              /* what is returned in memory has its address passed as arg0 */
	uint32_t breakpoint;            /* a kprobe's saved ip is this many bytes past its address */
	bool little_endian;
};
/* Where struct pt_regs has a register, by any of its names ("ax", "rax", "eax", "al"; "x0", "w0").
 * False: there is none. */
bool arch_register(struct str name, int16_t *offset);
/* The architecture this binary was built for. */
const struct arch *arch_host(void);

#endif
