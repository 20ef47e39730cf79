// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel asked for symbols by their names, which takes about a millisecond, where reading
 * /proc/kallsyms to its end takes forty.
 *
 * A BPF program of the type SYSCALL is made for the question: it has the names as immediate values, calls
 * bpf_kallsyms_lookup_name() for each, and leaves the addresses in its context, which is ours to read
 * after the run. The helper is there since Linux 5.16, but before 6.2 it compared with each symbol in
 * turn (kernel/kallsyms.c, kallsyms_lookup_name()).
 */
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target/target.h"

enum { RELEASE_BISECTS = 6 << 16 | 2 << 8 };
/* On the BPF stack: the address that the helper gives, below it the name. */
enum { STACK = 512, ADDRESS = -8, NAME_ROOM = STACK + ADDRESS };
enum { CONTEXT = BPF_REG_6 }; /* the register that keeps it */

struct question {
	struct arena *arena;
	VEC(struct bpf_insn) insns;
};

static void emit(struct question *q, struct bpf_insn insn)
{
	*vec_push(q->arena, &q->insns) = insn;
}

static void emit_move(struct question *q, uint8_t to, int32_t value)
{
	emit(q, (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = to, .imm = value });
}

static void emit_copy(struct question *q, uint8_t to, uint8_t from)
{
	emit(q, (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = to, .src_reg = from });
}

static void emit_stack_address(struct question *q, uint8_t to, int32_t at)
{
	emit_copy(q, to, BPF_REG_10);
	emit(q, (struct bpf_insn){ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = to, .imm = at });
}

/* Puts a name on the stack, and tells where. */
static int32_t emit_name(struct question *q, const char *name, size_t size)
{
	int32_t words = (int32_t)((size + 3) / 4), at = ADDRESS - 4 * words;

	for (int32_t i = 0; i < words; i++) {
		int32_t word = 0;

		memcpy(&word, name + 4 * i, size < 4 ? size : 4);
		size -= 4;
		emit(q, (struct bpf_insn){ .code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = BPF_REG_10,
					   .off = (int16_t)(at + 4 * i), .imm = word });
	}
	return at;
}

/* context[n] = the address of the name */
static void emit_lookup(struct question *q, const char *name, uint32_t n)
{
	size_t size = strlen(name) + 1;
	int32_t at = emit_name(q, name, size);

	emit(q, (struct bpf_insn){ .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = ADDRESS });
	emit_stack_address(q, BPF_REG_1, at);
	emit_move(q, BPF_REG_2, (int32_t)size);
	emit_move(q, BPF_REG_3, 0);
	emit_stack_address(q, BPF_REG_4, ADDRESS);
	emit(q, (struct bpf_insn){ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_kallsyms_lookup_name });
	emit(q, (struct bpf_insn){ .code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_1,
				   .src_reg = BPF_REG_10, .off = ADDRESS });
	emit(q, (struct bpf_insn){ .code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = CONTEXT,
				   .src_reg = BPF_REG_1, .off = (int16_t)(n * sizeof(uint64_t)) });
}

/* Loading programs is the business of probes and runtime; this one asks and is gone. */
static bool run(const struct question *q, uint64_t *context, uint32_t n)
{
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_SYSCALL,
		.prog_flags = BPF_F_SLEEPABLE,
		.prog_name = "xbt_ask",
		.license = (uintptr_t)"GPL",
		.insns = (uintptr_t)q->insns.v,
		.insn_cnt = q->insns.n,
	};
	long fd = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load);
	union bpf_attr test = { .test.prog_fd = (uint32_t)fd };
	bool done;

	if (fd < 0)
		return false;
	test.test.ctx_in = (uintptr_t)context;
	test.test.ctx_size_in = (uint32_t)(n * sizeof *context);
	done = !syscall(SYS_bpf, BPF_PROG_TEST_RUN, &test, sizeof test);
	close((int)fd);
	return done;
}

static bool can_be_asked(struct arena *a)
{
	struct features f;

	if (target_is_frozen())
		return false;
	features_read(a, &f);
	return f.release >= RELEASE_BISECTS && (f.cap_bpf || f.cap_sys_admin);
}

bool ksym_ask(const char *const *names, uint32_t n, uint64_t *addresses)
{
	static const char always_there[] = "_stext";
	struct arena a = { 0 };
	struct question q = { .arena = &a };
	uint64_t *context = arena_alloc(&a, (n + 1) * sizeof *context);
	bool answered = can_be_asked(&a);

	emit_copy(&q, CONTEXT, BPF_REG_1);
	for (uint32_t i = 0; i < n && answered; i++) {
		answered = strlen(names[i]) < NAME_ROOM;
		if (answered)
			emit_lookup(&q, names[i], i);
	}
	emit_lookup(&q, always_there, n);
	emit_move(&q, BPF_REG_0, 0);
	emit(&q, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
	/* Whoever may not see addresses (kptr_restrict) is told that there is nothing. */
	answered = answered && run(&q, context, n + 1) && context[n];
	if (answered)
		memcpy(addresses, context, n * sizeof *addresses);
	arena_free(&a);
	return answered;
}
