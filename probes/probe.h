// SPDX-License-Identifier: Apache-2.0
/*
 * Probe kinds: one file each (kprobe.c, tracepoint.c, ...), one row in probes.def each. A kind has
 * a compile-time face (parse, expand, args, arg) and a run-time face (attach, list).
 * Declarations only: sema and codegen may include this.
 */
#ifndef XBT_PROBE_H
#define XBT_PROBE_H

#include <linux/bpf.h>
#include <sys/types.h>

#include "core/core.h"
#include "sema/types.h"

struct script;
struct build;
struct prog;
struct perf_event_attr;
typedef uint32_t ref;

/* One concrete thing to attach to: what an attach point is after wildcards are expanded. */
struct target {
	const char *text;        /* the full name, as the builtin `probe` gives it */
	/* tracepoint: category and event; kprobe: (module or "") and function; uprobe, usdt: file and
	 * function or probe */
	const char *group, *name;
	/* kprobe: offset; uprobe, usdt: offset in the file; timers: period in ns, or Hz if `hertz` */
	uint64_t number;
	const char *operands;    /* usdt: where its arguments are */
	uint64_t semaphore;      /* usdt: offset in the file of the one to raise; 0: none */
	const char *pin;         /* iter: the file that it becomes; NULL: it runs when it is attached */
	uint32_t type_id;        /* fentry of a BPF program (its id is `number`): of the function in its BTF */
	bool hertz;
	bool by_address;         /* kprobe: its name alone would not do */
	uint64_t address;        /* kprobe, uprobe: of the function, in kallsyms or in the file; 0: not known */
	const struct type *args; /* the type of `args` or `ctx`; made when first asked for */
	const char *unknown;     /* why not all or none of `args` is known; NULL: nothing special */
	const struct type *retval; /* fexit: made with it; NULL: it returns nothing */
	struct span at;          /* the attach point in the script */
};

/* One attach point as written. */
struct attach_point {
	struct str spec;         /* the whole text: "kprobe:vfs_*" */
	struct span at;
	const struct probe_kind *kind;
	struct str part[4];      /* what parse() made of the text between colons, kind's name excluded */
	uint32_t nparts;
	VEC(struct target) targets;
};

enum provides {
	HAS_ARGN = 1,    /* arg0, arg1, ... */
	HAS_RETVAL = 2,
	HAS_FUNC = 4,
	HAS_ARGS = 8,    /* args.field */
	IS_SPECIAL = 16, /* BEGIN, END, self: run by hand, never attached */
	IS_USER = 32,    /* fires in user code */
	HAS_CTX = 64,    /* ctx->field */
};

/* What the run-time face keeps: file descriptors whose closing detaches. */
struct link {
	int fd;
	uint32_t probe;
	const struct target *target;
};

/* What the kernel must know of a program before it is attached. */
struct loading {
	uint32_t attach_type;    /* enum bpf_attach_type, of today's kernels */
	uint32_t btf_id;         /* of the function, in the kernel's BTF or in btf_fd's */
	int btf_fd;              /* of a module; 0: the kernel itself. The caller closes it. */
	int prog_fd;             /* the BPF program that the function is of; 0: none. The same. */
};

struct links {
	VEC(struct link) list;
	struct arena *arena;
	pid_t pid;               /* -p: what timers sample; -1: everything */
	pid_t child;             /* -c: the command's; 0: there is none */
	struct btf_file *btf;    /* the kernel's; NULL: not read yet */
	struct links_known {
		bool asked, yes;
	} known[2];              /* multi.c: are there such links, for kernel and user functions? */
	const char *why;         /* set by a failing attach(): one clause, in the arena; NULL: strerror */
};

/* Why an attach point has no target. */
struct absence {
	const char *why;         /* NULL: nothing matches */
	const char *hint;        /* what to do; NULL: nothing comes to mind */
	bool of_function;        /* the hint is attach_hint_function() */
};

struct probe_kind {
	const char *name;        /* canonical: "kprobe" */
	const char *old_name;    /* "kfunc" of "fentry"; NULL: none */
	const char *alias;       /* short name, case-sensitive: "k"; NULL: none */
	const char *form;        /* what a whole attach point looks like, for errors: "kprobe:FUNCTION" */
	enum bpf_prog_type type;
	uint32_t provides;       /* enum provides */
	bool cookies;            /* its links can carry one */
	uint32_t differs;        /* which of what it provides differ from target to target */
	bool once;               /* runs once: there is nothing to wait for */
	bool single;             /* a program has one target */
	bool unfiltered;         /* --cgroup leaves it alone */
	bool own_filter;         /* -p is its own affair, or none: no check in the program */
	/* Checks the attach point's parts; reports and returns false if they make no sense. */
	bool (*parse)(struct script *, struct attach_point *);
	/* Adds targets. None added: the target is missing, and the caller warns or reports. */
	void (*expand)(struct script *, struct attach_point *, struct absence *absence);
	/* The struct type of `args` for this target; NULL if it has none. */
	const struct type *(*args)(struct script *, struct target *);
	/* Generates argN (n >= 0) or retval (n == -1) or the probed function's address (n == -2). */
	ref (*arg)(struct build *, const struct target *, int n);
	/* How many argN there are at most. */
	uint32_t (*arg_count)(const struct target *);
	/* Generates what comes before the probe's own code; NULL: nothing. */
	void (*begin)(struct build *, const struct target *);
	/* What the program must be loaded with; 0, or -errno (and links->why). NULL: nothing. */
	int (*prepare)(const struct prog *, struct links *, struct loading *);
	/* Attaches to as many targets at once as can be, and tells which; the others may be tried alone. */
	void (*attach_all)(int prog_fd, const struct prog *, struct links *, bool *attached);
	/* Attaches a loaded program: 0 and new links, or -errno (and links->why). */
	int (*attach)(int prog_fd, const struct prog *, const struct target *, struct links *);
	/* Lists "kind:..." names that match the pattern (after the kind's name), with arguments if
	 * verbose. Returns how many. NULL: there are only those that expand() finds. */
	uint32_t (*list)(const struct probe_kind *, struct arena *, struct str pattern, bool verbose,
			 FILE *);
	/* Without list(): prints a target's arguments, "    TYPE NAME" a line. NULL: it has none. */
	void (*list_args)(struct script *, struct target *, FILE *);
};

extern const struct probe_kind *const probe_kinds[];
extern const uint32_t probe_kind_count;
/* By canonical name (any case) or alias (exact case); NULL if there is none. */
const struct probe_kind *probe_kind_find(struct str name);
/* The same, or a pattern for canonical names: "*probe". */
bool probe_kind_matches(const struct probe_kind *, struct str name);
/* What `probetype` says. */
struct str probe_kind_type(const struct probe_kind *);

/* ---- attach.c: what the kinds share; for probes/ only ----------------------------------- */

/* Where a part (or a piece of one) stands in the script; the whole attach point if a parameter was
 * put in and offsets no longer agree. */
struct span attach_span(const struct attach_point *, struct str part);
/* Reports that the attach point is not of its kind's form. Always false. */
bool attach_malformed(struct script *, const struct attach_point *);
/* Without the quotes that a part may stand in. */
struct str attach_unquote(struct str part);
/* arg_count() of kinds that stand at a function's entry: what is not in registers is on the stack. */
uint32_t attach_arg_count(const struct target *);
/* A new target of the attach point. The text is the kind's name, ':' and what the format gives. */
struct target *attach_target(struct script *, struct attach_point *, const char *fmt, ...)
	PRINTF(3, 4);
/* What the kernel itself needs to run a probe, or with every step. Probed one by one they may be looked
 * at; a wildcard that happens to match them would bring the machine to a halt. */
bool attach_is_dangerous(const struct probe_kind *, const char *function);
extern const char attach_too_dangerous[]; /* why nothing is left then */
/* Is what is in this module (empty: the kernel proper, "vmlinux") wanted? An empty pattern wants all. */
bool attach_in_module(struct str pattern, struct str module);
/* Does a listing want this name? An empty pattern wants all. */
bool attach_listed(struct str pattern, const char *name);

/* Hints about what is not there, NULL if there is none: that a module could be loaded; of a kernel
 * function (part[1], in the module part[0] if that is given) its module, or the name that is most
 * like it. */
const char *attach_hint_module(struct script *, struct str module);
const char *attach_hint_function(struct script *, const struct attach_point *);
/* What errors mean that are the same with all kinds; NULL: nothing special. */
const char *attach_reason(int error);
/* Does a signal wait that ends xbt? */
bool attach_interrupted(void);
/* One more link. */
void attach_keep(struct links *, int fd, const struct prog *, const struct target *);
/* Takes back the links made since there were n. */
void attach_undo(struct links *, uint32_t n);

/* ---- copies.c: for probes/ only ---------------------------------------------------------- */

struct copies {
	VEC(struct ksym) functions; /* of that name, and those that stand in for it */
	VEC(struct ksym) fragments; /* of the function's body */
};
/* Is it a pattern for copies of one function, "f.constprop.*"? Then which. */
bool copies_pattern(struct str pattern, struct str *function);
/* What a function's name stands for. Without addresses it is faster, and one of several of the same name
 * will do. NULL: nobody can tell. */
const struct copies *copies_find(struct script *, struct str module, struct str function, bool addresses);

/* ---- perf_event.c: for probes/ only ----------------------------------------------------- */

/* Opens the perf event for one process and CPU (-1: any) and puts the program on it. 0 and one more
 * link; or -errno, with links->why set for what is the same with all kinds. *refused tells that it
 * was the event that the kernel refused, not the program. */
int attach_perf(struct perf_event_attr *, pid_t pid, int cpu, int prog_fd, const struct prog *,
		const struct target *, struct links *, bool *refused);
/* The same for an event that counts or samples: on every CPU, or in all threads of a process (pid > 0)
 * and those to come. */
int attach_sampler(const struct perf_event_attr *, pid_t pid, int prog_fd, const struct prog *,
		   const struct target *, struct links *, bool *refused);
/* The dynamic PMU of kprobes or uprobes: its type, and what makes it fire at returns. False: there is
 * none. */
bool attach_pmu(struct arena *, const char *name, bool at_return, struct perf_event_attr *);
/* A CPU that is online. */
int first_cpu(struct arena *);
/* ---- multi.c: for probes/ only ---------------------------------------------------------- */

/* prepare() and attach_all() of kinds whose programs may be put on many functions at once. */
int multi_prepare(const struct prog *, struct links *, struct loading *);
void multi_attach(int prog_fd, const struct prog *, struct links *, bool *attached);

/* The same for the runtime: one program at entry and return. What it must be loaded with, and the number
 * of the kernel's function that tells which of them it is at. False: this kernel has no such links. */
bool session_prepare(struct links *, struct loading *, uint32_t *is_return);
bool session_attach(int prog_fd, const struct prog *, struct links *);

/* ---- btf_target.c: for probes/ only ----------------------------------------------------- */

/* The function that a program is loaded for: btf_id and btf_fd. 0, or -errno and links->why. */
int btf_target(struct links *, const char *module, const char *function, struct loading *);
/* A function of the kernel proper; 0: there is none. */
uint32_t btf_kernel_function(struct links *, const char *name);

/* ---- btf_list.c: for probes/ only -------------------------------------------------------- */

struct btf_index;
/* Knows nothing where there is no BTF. All lives in the arena. */
struct btf_index *btf_index_open(struct arena *);
/* A module's, or for "" the kernel's own again. */
struct btf_index *btf_index_module(struct btf_index *, const char *module);
bool btf_index_has(const struct btf_index *, struct str function);
/* Prints a function's parameters from the first on, and what it returns, each on a line. */
void btf_index_arguments(const struct btf_index *, struct str function, uint32_t first, bool retval,
			 FILE *);
/* The same of a function of any BTF. */
void btf_print_arguments(struct arena *, const struct btf_file *, uint32_t id, uint32_t first, bool retval,
			 FILE *);
/* The same of a struct's fields. */
void btf_index_fields(const struct btf_index *, struct str tag, FILE *);

/* ---- list.c: for the runtime ------------------------------------------------------------ */

/* Lists what an expanded script's attach points mean, with arguments if verbose. Returns how many. */
uint32_t list_targets(struct script *, bool verbose, FILE *);

/* ---- dwarf.c: for the runtime ----------------------------------------------------------- */

/* The script asks about no more programs. */
void dwarf_close(struct script *);

/* ---- iter.c: for the runtime ------------------------------------------------------------ */

/* A descriptor that runs the iterator when it is read; -1: the link is none. */
int iter_open(const struct link *);
/* Makes it a file, to be read by others; false: links->why says why not. */
bool iter_pin(struct links *, const struct link *);

/* ---- uprobe.c: what usdt shares with it --------------------------------------------------- */

struct elf;

/* A program or library in which something is to be probed. */
struct user_file {
	const char *shown, *path; /* as named; and where it is opened */
	struct elf *elf;
	bool several;             /* one of many: what it lacks is no error */
};
typedef void user_visit(struct script *, struct attach_point *, const struct user_file *,
			const char **why);
/* Visits the files that part 0 names. */
void user_files(struct script *, struct attach_point *, user_visit *, const char **why);
/* Attaches to the offset target->number of the file target->group. */
int user_attach(int prog_fd, const struct prog *, const struct target *, bool returns, struct links *);

#endif
