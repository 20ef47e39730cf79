// SPDX-License-Identifier: Apache-2.0
/*
 * %gr: the flags of an allocation (gfp_t) by name, those that stand for several bits first.
 *
 * The bits are those of Linux 6.10 and later, which differ little from those before (bit 9 was
 * __GFP_ATOMIC until 6.3). Bits that no row names are left as a number, as is 0.
 */
#include "runtime/print.h"

#define RECLAIM    0xc00u
#define KERNEL     (RECLAIM | 0xc0u)
#define USER       (KERNEL | 0x100000u)
#define MOVABLE    (USER | 0x200000au)
#define LIGHT      ((MOVABLE | 0xc2000u) & ~RECLAIM)

static const struct { uint32_t bits; const char *name; } flags[] = {
	{ LIGHT | 0x400, "GFP_TRANSHUGE" },   { LIGHT, "GFP_TRANSHUGE_LIGHT" },
	{ MOVABLE, "GFP_HIGHUSER_MOVABLE" },  { USER | 2, "GFP_HIGHUSER" },
	{ USER, "GFP_USER" },                 { KERNEL | 0x400000, "GFP_KERNEL_ACCOUNT" },
	{ KERNEL, "GFP_KERNEL" },             { RECLAIM | 0x40, "GFP_NOFS" },
	{ 0x820, "GFP_ATOMIC" },              { RECLAIM, "GFP_NOIO" },
	{ 0x2800, "GFP_NOWAIT" },             { 0x1, "GFP_DMA" },
	{ 0x4, "GFP_DMA32" },                 { 0x2, "__GFP_HIGHMEM" },
	{ 0x20, "__GFP_HIGH" },               { 0x40, "__GFP_IO" },
	{ 0x80, "__GFP_FS" },                 { 0x100, "__GFP_ZERO" },
	{ 0x400, "__GFP_DIRECT_RECLAIM" },    { 0x800, "__GFP_KSWAPD_RECLAIM" },
	{ 0x1000, "__GFP_WRITE" },            { 0x2000, "__GFP_NOWARN" },
	{ 0x4000, "__GFP_RETRY_MAYFAIL" },    { 0x8000, "__GFP_NOFAIL" },
	{ 0x10000, "__GFP_NORETRY" },         { 0x20000, "__GFP_MEMALLOC" },
	{ 0x40000, "__GFP_COMP" },            { 0x80000, "__GFP_NOMEMALLOC" },
	{ 0x100000, "__GFP_HARDWALL" },       { 0x200000, "__GFP_THISNODE" },
	{ 0x400000, "__GFP_ACCOUNT" },        { 0x800000, "__GFP_ZEROTAGS" },
	{ 0x1000000, "__GFP_SKIP_ZERO" },     { 0x2000000, "__GFP_SKIP_KASAN" },
	{ 0x4000000, "__GFP_NO_OBJ_EXT" },
};

void gfp_text(struct buffer *b, uint64_t v)
{
	const char *between = "";

	if (!v)
		buffer_char(b, '0');
	for (size_t i = 0; i < LEN(flags); i++) {
		if ((v & flags[i].bits) != flags[i].bits)
			continue;
		buffer_printf(b, "%s%s", between, flags[i].name);
		between = "|";
		v &= ~(uint64_t)flags[i].bits;
	}
	if (v)
		buffer_printf(b, "%s0x%llx", between, (unsigned long long)v);
}
