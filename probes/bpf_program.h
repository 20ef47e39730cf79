// SPDX-License-Identifier: Apache-2.0
/*
 * BPF programs as targets: for fentry.c.
 */
#ifndef XBT_BPF_PROGRAM_H
#define XBT_BPF_PROGRAM_H

#include "probes/probe.h"

struct btf_file;

/* One function of a program that is loaded. */
struct bpf_function {
	uint32_t program;
	const char *program_name; /* as the kernel has it: cut */
	struct btf_file *btf;     /* the program's; NULL: it has none, and this is all that is known */
	uint32_t type_id;
	struct str name;
	uint64_t address;         /* 0: hidden */
};

typedef bool bpf_function_visit(void *ctx, const struct bpf_function *);
/* Until visit returns false. False: programs can't be listed. */
bool bpf_functions_each(struct arena *, bpf_function_visit *, void *ctx);
/* expand() of fentry:bpf:FUNCTION (part 1) and fentry:bpf:ID:FUNCTION (part 2 is the ID). */
void bpf_functions_expand(struct script *, struct attach_point *, struct absence *absence);
/* prepare() of what that gave. */
int bpf_function_prepare(const struct target *, struct links *, struct loading *);

#endif
