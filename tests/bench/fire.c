// SPDX-License-Identifier: Apache-2.0
/*
 * fire [ROUNDS]: fires tracepoint:bpf_test_run:bpf_trigger_tp in a tight loop inside the kernel.
 *
 * Knows: the kfunc bpf_modify_return_test_tp(int), each call of which fires that tracepoint (Linux 6.10
 * and later), and BPF_PROG_TEST_RUN. No system call lies between two events, so what is measured is the
 * event. Needs: root, BTF of the kernel. Leaves: the median over ROUNDS rounds (41) of the nanoseconds
 * for one turn; or, with status 77, the reason why this kernel can't.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TURNS = 10000, RUNS = 20, ROUNDS_MAX = 1001 };

#define INSN(op, d, s, o, i) \
	{ .code = (op), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) }

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int skip(const char *why)
{
	puts(why);
	return 77;
}

int main(int argc, char **argv)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int kfunc = btf ? btf__find_by_name_kind(btf, "bpf_modify_return_test_tp", BTF_KIND_FUNC) : -1;
	struct bpf_insn insns[] = {
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 6, 0, 0, 0),
		INSN(BPF_ALU64 | BPF_MOV | BPF_X, 1, 6, 0, 0),
		INSN(BPF_ALU64 | BPF_AND | BPF_K, 1, 0, 0, 7),
		INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, kfunc),
		INSN(BPF_ALU64 | BPF_ADD | BPF_K, 6, 0, 0, 1),
		INSN(BPF_JMP | BPF_JLT | BPF_K, 6, 0, -5, TURNS),
		INSN(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0),
		INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	static double rounds[ROUNDS_MAX];
	int n = argc > 1 ? atoi(argv[1]) : 41, prog;

	if (!btf)
		return skip("this kernel has no BTF");
	if (kfunc < 0)
		return skip("this kernel has no bpf_modify_return_test_tp (Linux 6.10 has)");
	prog = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "fire", "GPL", insns,
			     sizeof insns / sizeof *insns, NULL);
	if (prog < 0)
		return skip("the kernel doesn't take the program (is this root?)");
	n = n < 1 ? 1 : n > ROUNDS_MAX ? ROUNDS_MAX : n;
	for (int r = 0; r < n; r++) {
		double start = now_ns();

		for (int i = 0; i < RUNS; i++) {
			LIBBPF_OPTS(bpf_test_run_opts, o);
			if (bpf_prog_test_run_opts(prog, &o))
				return skip("the kernel can't run the program");
		}
		rounds[r] = (now_ns() - start) / (TURNS * RUNS);
	}
	qsort(rounds, (size_t)n, sizeof *rounds, by_value);
	printf("%.2f\n", rounds[n / 2]);
	return 0;
}
