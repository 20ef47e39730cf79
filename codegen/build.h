// SPDX-License-Identifier: Apache-2.0
/*
 * What building IR offers to the probe kinds (probes/probe.h: arg()).
 */
#ifndef XBT_BUILD_H
#define XBT_BUILD_H

#include "probes/probe.h"

/* Loads `size` bytes (1, 2, 4, 8) at a constant offset of the program's context, extended to 64 bits. */
ref build_ctx_load(struct build *, int32_t offset, uint32_t size, bool sign);
/* A 64-bit constant. */
ref build_const(struct build *, int64_t value);
/* a + b, modulo 2^64. */
ref build_add(struct build *, ref a, ref b);

#endif
