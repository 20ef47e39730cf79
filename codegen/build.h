// SPDX-License-Identifier: Apache-2.0
/*
 * What building IR offers to the probe kinds (probes/probe.h: arg()).
 */
#ifndef XBT_BUILD_H
#define XBT_BUILD_H

#include "probes/probe.h"

/* Loads `size` bytes (1, 2, 4, 8) at a constant offset of the program's context, extended to 64 bits. */
ref build_ctx_load(struct build *, int32_t offset, uint32_t size, bool sign);
/* A function's argument n at its entry (a 64-bit value), of a kernel function or a user's. */
ref build_argument(struct build *, uint32_t n, bool user);
/* The address of the function at whose entry a kprobe fired. False: this kernel has the probe just there,
 * and the instruction pointer tells. */
bool build_func_ip(struct build *, ref *address);
/* The low `size` bytes of a value, extended to 64 bits. */
ref build_extended(struct build *, ref, uint32_t size, bool sign);
/* A number of `size` bytes in the memory of the process. */
ref build_user_read(struct build *, ref address, uint32_t size, bool sign);
/* a * factor, modulo 2^64. */
ref build_scaled(struct build *, ref a, uint64_t factor);
/* The program can't be made: one clause why. Some value. */
ref build_failed(struct build *, const char *fmt, ...) PRINTF(2, 3);
/* Where the context has something; and a word of the kernel's memory, zero if it can't be read. */
ref build_ctx_address(struct build *, uint32_t offset);
ref build_kernel_read(struct build *, ref address);
/* The firing ends here if the value is zero. */
void build_go_on_if(struct build *, ref);
/* The address of a kernel symbol; 0: it is hidden, or there is none. */
ref build_symbol(struct build *, struct str name);
/* A 64-bit constant. */
ref build_const(struct build *, int64_t value);
/* a + b, modulo 2^64. */
ref build_add(struct build *, ref a, ref b);

#endif
