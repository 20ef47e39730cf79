// SPDX-License-Identifier: Apache-2.0
/*
 * Where instructions begin: walks over a function's code from its start. A probe put into the middle
 * of an instruction would change what the program does.
 *
 * For x86 that takes the lengths of all instructions: prefixes, opcode, ModRM and SIB with their
 * displacement, immediate. What is not known here counts as one byte; the walk then soon is out of
 * step, and says that nothing begins at the offset asked for.
 */
#include <string.h>

#include "target/target.h"

#if defined(__aarch64__)

bool instruction_starts(const struct elf *elf, uint64_t start, uint64_t offset)
{
	(void)elf;
	(void)start;
	return offset % 4 == 0;
}

#else

struct insn {
	const uint8_t *p, *end;
	bool wide;    /* REX.W: 64-bit immediates of mov */
	bool narrow;  /* 66: 16-bit immediates */
	bool address; /* 67 */
};

static uint8_t take(struct insn *i)
{
	return i->p < i->end ? *i->p++ : 0;
}

static void skip(struct insn *i, size_t n)
{
	i->p = (size_t)(i->end - i->p) < n ? i->end : i->p + n;
}

static uint8_t take_prefixes(struct insn *i)
{
	for (;;) {
		uint8_t byte = take(i);

		if (byte == 0x66)
			i->narrow = true;
		else if (byte == 0x67)
			i->address = true;
		else if (!byte || !memchr("\xf0\xf2\xf3\x2e\x36\x3e\x26\x64\x65", byte, 9))
			return byte;
	}
}

/* Skips ModRM, SIB and displacement; returns ModRM. */
static uint8_t skip_modrm(struct insn *i)
{
	uint8_t modrm = take(i), mod = modrm >> 6, rm = modrm & 7;

	if (mod == 3)
		return modrm;
	if (rm == 4)
		rm = take(i) & 7; /* SIB: its base has the same special 5 */
	if (mod == 1)
		skip(i, 1);
	else if (mod == 2 || rm == 5)
		skip(i, 4);
	return modrm;
}

static size_t immediate(const struct insn *i)
{
	return i->narrow ? 2 : 4;
}

static bool one_byte_modrm(uint8_t op)
{
	return (op < 0x40 && (op & 7) < 4) || op == 0x63 || op == 0x69 || op == 0x6b ||
	       (op >= 0x80 && op <= 0x8f) || op == 0xc0 || op == 0xc1 || op == 0xc6 || op == 0xc7 ||
	       (op >= 0xd0 && op <= 0xd3) || (op >= 0xd8 && op <= 0xdf) || op == 0xf6 ||
	       op == 0xf7 || op >= 0xfe;
}

static size_t one_byte_immediate(const struct insn *i, uint8_t op, uint8_t modrm)
{
	if (op < 0x40)
		return (op & 7) == 4 ? 1 : (op & 7) == 5 ? immediate(i) : 0;
	if ((op >= 0x70 && op <= 0x80) || (op >= 0xb0 && op <= 0xb7) || (op >= 0xe0 && op <= 0xe7) ||
	    memchr("\x6a\x6b\x83\xa8\xc0\xc1\xc6\xcd\xeb", op, 9))
		return 1;
	if (memchr("\x68\x69\x81\xa9\xc7", op, 5))
		return immediate(i);
	if (op >= 0xb8 && op <= 0xbf)
		return i->wide ? 8 : immediate(i);
	if (op >= 0xa0 && op <= 0xa3)
		return i->address ? 4 : 8;
	if (op == 0xc2 || op == 0xca)
		return 2;
	if (op == 0xf6 || op == 0xf7)
		return (modrm >> 3 & 7) < 2 ? (op == 0xf6 ? 1 : immediate(i)) : 0;
	return op == 0xe8 || op == 0xe9 ? 4 : op == 0xc8 ? 3 : 0;
}

static bool two_byte_immediate(uint8_t op)
{
	return (op >= 0x70 && op <= 0x73) || op == 0xa4 || op == 0xac || op == 0xba || op == 0xc2 ||
	       (op >= 0xc4 && op <= 0xc6);
}

static bool two_byte_modrm(uint8_t op)
{
	return !((op >= 0x05 && op <= 0x09) || op == 0x0b || op == 0x0e || (op >= 0x30 && op <= 0x37) ||
		 op == 0x77 || (op >= 0xa0 && op <= 0xa2) || (op >= 0xa8 && op <= 0xaa) ||
		 (op >= 0xc8 && op <= 0xcf));
}

/* Behind 0f. */
static void skip_two_byte(struct insn *i)
{
	uint8_t op = take(i);

	if (op >= 0x80 && op <= 0x8f) {
		skip(i, 4);
	} else if (op == 0x38 || op == 0x3a) {
		skip(i, 1);
		skip_modrm(i);
		skip(i, op == 0x3a);
	} else if (two_byte_modrm(op)) {
		skip_modrm(i);
		skip(i, two_byte_immediate(op));
	}
}

/* VEX and EVEX: the map of opcodes is in the prefix. */
static void skip_vector(struct insn *i, uint8_t first)
{
	uint8_t map = first == 0xc5 ? 1 : take(i) & (first == 0x62 ? 7 : 31), op;

	skip(i, first == 0x62 ? 2 : 1);
	op = take(i);
	if (map == 1 && op == 0x77)
		return;
	skip_modrm(i);
	skip(i, map == 3 || (map == 1 && two_byte_immediate(op)));
}

static void skip_instruction(struct insn *i)
{
	uint8_t op = take_prefixes(i), modrm = 0;

	i->wide = false;
	if (op >= 0x40 && op <= 0x4f) {
		i->wide = op & 8;
		op = take(i);
	}
	if (op == 0x0f) {
		skip_two_byte(i);
	} else if (op == 0xc4 || op == 0xc5 || op == 0x62) {
		skip_vector(i, op);
	} else {
		if (one_byte_modrm(op))
			modrm = skip_modrm(i);
		skip(i, one_byte_immediate(i, op, modrm));
	}
}

bool instruction_starts(const struct elf *elf, uint64_t start, uint64_t offset)
{
	enum { LONGEST = 15, WINDOW = 4096 };
	uint8_t code[WINDOW];

	for (uint64_t at = 0; at < offset;) {
		size_t n = elf_bytes(elf, start + at, code, sizeof code);
		struct insn i = { .p = code, .end = code + n };

		if (!n)
			return false;
		while (i.end - i.p >= LONGEST || (n < sizeof code && i.p < i.end)) {
			if (at + (uint64_t)(i.p - code) >= offset)
				return at + (uint64_t)(i.p - code) == offset;
			i.narrow = i.address = false;
			skip_instruction(&i);
		}
		at += (uint64_t)(i.p - code);
		if (at >= offset)
			return at == offset;
	}
	return true;
}

#endif
