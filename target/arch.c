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

#include <string.h>

/* Elsewhere the error below speaks, not a missing header. */
#if defined(__x86_64__) || defined(__aarch64__)
#include <asm/ptrace.h>
#endif

#if defined(__x86_64__) && !defined(__ILP32__)

#define AT(reg) offsetof(struct pt_regs, reg)

static const int16_t arguments[] = { AT(rdi), AT(rsi), AT(rdx), AT(rcx), AT(r8), AT(r9) };

static const struct { const char *name; int16_t offset; } registers[] = {
	{ "ax", AT(rax) }, { "bx", AT(rbx) }, { "cx", AT(rcx) }, { "dx", AT(rdx) },
	{ "si", AT(rsi) }, { "di", AT(rdi) }, { "bp", AT(rbp) }, { "sp", AT(rsp) },
	{ "r8", AT(r8) },  { "r9", AT(r9) },  { "r10", AT(r10) }, { "r11", AT(r11) },
	{ "r12", AT(r12) }, { "r13", AT(r13) }, { "r14", AT(r14) }, { "r15", AT(r15) },
	{ "ip", AT(rip) }, { "pc", AT(rip) }, { "flags", AT(eflags) }, { "cs", AT(cs) },
	{ "ss", AT(ss) },
};

/* "rax", "eax", "al" -> "ax"; "sil" -> "si"; "r8d" -> "r8". (ah is another byte.) */
static struct str plain_register(struct str name, char *buf)
{
	if (name.len >= 3 && (name.s[0] == 'r' || name.s[0] == 'e') && (name.s[1] < '0' || name.s[1] > '9'))
		name = (struct str){ name.s + 1, name.len - 1 };
	else if (name.len >= 3 && name.s[0] == 'r' && memchr("dwb", name.s[name.len - 1], 3))
		name.len--;
	else if (name.len == 3 && name.s[2] == 'l')
		name.len--;
	if (name.len != 2 || name.s[1] != 'l')
		return name;
	buf[0] = name.s[0];
	buf[1] = 'x';
	return (struct str){ buf, 2 };
}

/* int3 is one byte long and traps behind itself; a kprobe's ftrace and jump forms imitate it. */
static const struct arch host = {
	.name = "x86_64", .retval = AT(rax), .ip = AT(rip), .breakpoint = 1,
	.sp = AT(rsp), .stack_args = 8, /* behind the return address */
	.result_first = true,

#elif defined(__aarch64__)

#define AT(reg) offsetof(struct user_pt_regs, reg)

static const int16_t arguments[] = {
	AT(regs[0]), AT(regs[1]), AT(regs[2]), AT(regs[3]),
	AT(regs[4]), AT(regs[5]), AT(regs[6]), AT(regs[7]),
};

static const struct { const char *name; int16_t offset; } registers[] = {
	{ "sp", AT(sp) }, { "pc", AT(pc) }, { "ip", AT(pc) }, { "pstate", AT(pstate) },
	{ "fp", AT(regs[29]) }, { "lr", AT(regs[30]) },
	{ "x0", AT(regs[0]) },	 { "x1", AT(regs[1]) },	  { "x2", AT(regs[2]) },
	{ "x3", AT(regs[3]) },	 { "x4", AT(regs[4]) },	  { "x5", AT(regs[5]) },
	{ "x6", AT(regs[6]) },	 { "x7", AT(regs[7]) },	  { "x8", AT(regs[8]) },
	{ "x9", AT(regs[9]) },	 { "x10", AT(regs[10]) }, { "x11", AT(regs[11]) },
	{ "x12", AT(regs[12]) }, { "x13", AT(regs[13]) }, { "x14", AT(regs[14]) },
	{ "x15", AT(regs[15]) }, { "x16", AT(regs[16]) }, { "x17", AT(regs[17]) },
	{ "x18", AT(regs[18]) }, { "x19", AT(regs[19]) }, { "x20", AT(regs[20]) },
	{ "x21", AT(regs[21]) }, { "x22", AT(regs[22]) }, { "x23", AT(regs[23]) },
	{ "x24", AT(regs[24]) }, { "x25", AT(regs[25]) }, { "x26", AT(regs[26]) },
	{ "x27", AT(regs[27]) }, { "x28", AT(regs[28]) }, { "x29", AT(regs[29]) },
	{ "x30", AT(regs[30]) },
};

/* "w3", "r3" -> "x3" */
static struct str plain_register(struct str name, char *buf)
{
	if (name.len < 2 || name.len > 3 || (name.s[0] != 'w' && name.s[0] != 'r'))
		return name;
	memcpy(buf, name.s, name.len);
	buf[0] = 'x';
	return (struct str){ buf, name.len };
}

/* brk leaves pc on itself. */
static const struct arch host = {
	.name = "aarch64", .retval = AT(regs[0]), .ip = AT(pc), .breakpoint = 0,
	.sp = AT(sp), .stack_args = 0,

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

bool arch_register(struct str name, int16_t *offset)
{
	char buf[4];

	name = plain_register(name, buf);
	for (size_t i = 0; i < LEN(registers); i++)
		if (str_is(name, registers[i].name)) {
			*offset = registers[i].offset;
			return true;
		}
	return false;
}
