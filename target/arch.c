// SPDX-License-Identifier: Apache-2.0
/*
 * What differs from one processor architecture to the next: where a kprobe's struct pt_regs keeps
 * the arguments, the return value and the instruction pointer, and where that pointer stands.
 *
 * The offsets come from the kernel's user-visible structs, which begin as the kernel's own do. To
 * add an architecture, add a branch with the same four facts (sources: the syscall-free calling
 * convention, and the kernel's arch/ARCH/include/asm/ptrace.h and kprobes.c).
 */
#include "target/target.h"

/* Elsewhere the error below speaks, not a missing header. */
#if defined(__x86_64__) || defined(__aarch64__)
#include <asm/ptrace.h>
#endif

#if defined(__x86_64__) && !defined(__ILP32__)

#define AT(reg) offsetof(struct pt_regs, reg)

static const int16_t arguments[] = { AT(rdi), AT(rsi), AT(rdx), AT(rcx), AT(r8), AT(r9) };

/* int3 is one byte long and traps behind itself; a kprobe's ftrace and jump forms imitate it. */
static const struct arch host = {
	.name = "x86_64", .retval = AT(rax), .ip = AT(rip), .breakpoint = 1,

#elif defined(__aarch64__)

#define AT(reg) offsetof(struct user_pt_regs, reg)

static const int16_t arguments[] = {
	AT(regs[0]), AT(regs[1]), AT(regs[2]), AT(regs[3]),
	AT(regs[4]), AT(regs[5]), AT(regs[6]), AT(regs[7]),
};

/* brk leaves pc on itself. */
static const struct arch host = {
	.name = "aarch64", .retval = AT(regs[0]), .ip = AT(pc), .breakpoint = 0,

#elif defined(__x86_64__)
#error "xbt: no support for this machine yet: x32"
#elif defined(__i386__)
#error "xbt: no support for this machine yet: i386"
#elif defined(__arm__)
#error "xbt: no support for this machine yet: arm (32 bits)"
#elif defined(__riscv)
#error "xbt: no support for this machine yet: riscv"
#elif defined(__s390x__)
#error "xbt: no support for this machine yet: s390x"
#elif defined(__powerpc64__)
#error "xbt: no support for this machine yet: powerpc64"
#elif defined(__loongarch__)
#error "xbt: no support for this machine yet: loongarch"
#elif defined(__mips__)
#error "xbt: no support for this machine yet: mips"
#else
#error "xbt: no support for this machine yet: unknown (see target/arch.c)"
#endif

	.arg = arguments,
	.nargs = LEN(arguments),
	.little_endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
};

const struct arch *arch_host(void)
{
	return &host;
}
