// SPDX-License-Identifier: Apache-2.0
/*
 * What processes map, told by the kernel (sideband.c).
 */
#ifndef XBT_SIDEBAND_H
#define XBT_SIDEBAND_H

#include <stdint.h>

struct sideband;
struct usyms;

/* Tells `usyms` of all processes from now on, and of those that are there. NULL: not possible here. */
struct sideband *sideband_open(struct usyms *, uint32_t ncpus);
void sideband_close(struct sideband *);
/* What has come since the last time; for usyms_refresh(). */
void sideband_read(void *sideband);
/* The descriptors to wait for: it is time to read then. -1 behind the last. */
int sideband_fd(const struct sideband *, uint32_t i);
/* How many records did not come through. */
uint64_t sideband_lost(const struct sideband *);

#endif
