// SPDX-License-Identifier: Apache-2.0
/*
 * The image: all that the runtime needs of a compiled script, and the wall between the two.
 * Left of it nothing needs privilege or a kernel; right of it nothing knows the AST.
 * It has its own arena and outlives the compilation.
 */
#ifndef XBT_IMAGE_H
#define XBT_IMAGE_H

#include <linux/bpf.h>

#include "core/core.h"
#include "probes/probe.h"
#include "sema/types.h"

/* The maps that xbt adds to a script's own, at these indices of image.maps. */
enum {
	IMAGE_RINGBUF, /* events; max_entries is its size in bytes */
	IMAGE_LEDGER,  /* mmap-able ARRAY of one entry: a u64 for each of image.ledger */
	IMAGE_ZERO,    /* ARRAY of one entry of zeros, never written: what new elements start from */
	IMAGE_SCRATCH, /* PERCPU_ARRAY: objects too large for the stack, an entry for each program */
	IMAGE_LARGE,   /* ARRAY: the same where that is too large for per-CPU memory, one for each CPU, too */
	IMAGE_STACKS,  /* HASH: a stack's id -> its second hash, its addresses */
	IMAGE_SPARE,   /* the same, of those for which the kernel had no memory just then */
	IMAGE_BUILD_IDS, /* the same of stacks with build ids */
	IMAGE_CGROUP,  /* CGROUP_ARRAY of one entry: --cgroup's */
	IMAGE_MAPS     /* the first of the script's own */
};

struct image_map {
	const char *name;
	enum bpf_map_type type;
	uint32_t key_size, value_size, max_entries, flags;
	const struct map *map; /* NULL: xbt's own */
	/* One element for each target of a program: what differs between them. */
	const struct target *targets;
	enum target_fact { FACT_TEXT, FACT_NAME, FACT_ADDRESS, TARGET_FACTS } fact;
};

/* A 16-byte load (ld_imm64) that the loader completes. */
struct reloc {
	uint32_t insn;
	uint32_t map;    /* index in image.maps */
	bool value;      /* the address of its value + offset; else the map itself */
	uint32_t offset;
};

struct prog {
	const char *name;
	const struct probe_kind *kind;
	uint32_t probe;           /* which of the script's probes it belongs to */
	struct target *targets;   /* what it is attached to, each */
	uint32_t ntargets;
	bool cookies;             /* it asks the kernel which of its targets it is at: their index */
	struct bpf_insn *insns;
	uint32_t ninsns;
	struct reloc *relocs;
	uint32_t nrelocs;
	uint32_t *callbacks;      /* where functions start that the kernel calls for loops */
	uint32_t ncallbacks;
	uint32_t *spans;          /* for each instruction, the source offset it comes from */
};

struct image {
	struct arena arena;
	struct source source;
	struct config config;
	VEC(struct image_map) maps;
	VEC(struct prog) progs;
	VEC(struct event) events;
	VEC(struct ledger_entry) ledger;
	const char *cgroup;        /* a path; NULL: no filter */
	uint32_t nprobes;
	bool names_processes;      /* shows stacks or symbols of processes */
};

/* The listing that -d emit prints and tests compare (disasm.c). */
void image_dump(const struct image *, FILE *);
/* The table of events: -d events. */
void events_dump(struct image *, FILE *);
void disasm(const struct bpf_insn *, uint32_t n, FILE *);

#endif
