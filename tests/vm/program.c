// SPDX-License-Identifier: Apache-2.0
/*
 * program: a BPF program to be traced. Loads one of two functions with types (lab_filter calls
 * lab_sum), and one without, says "ready", runs the first 100 times at each SIGUSR1, says "done".
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static const struct bpf_insn insns[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = 5 },
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 7 },
	{ .code = BPF_JMP | BPF_CALL, .src_reg = BPF_PSEUDO_CALL, .imm = 1 },
	{ .code = BPF_JMP | BPF_EXIT },
	{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 0, .src_reg = 1 },
	{ .code = BPF_ALU64 | BPF_ADD | BPF_X, .dst_reg = 0, .src_reg = 2 },
	{ .code = BPF_JMP | BPF_EXIT },
};

static int load(const char *name, struct btf *btf, struct bpf_func_info *info, unsigned n)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .func_info = info, .func_info_cnt = n,
		    .func_info_rec_size = n ? sizeof *info : 0);

	if (btf && btf__load_into_kernel(btf))
		return -1;
	if (btf)
		opts.prog_btf_fd = (unsigned)btf__fd(btf);
	return bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, name, "GPL", insns, sizeof insns / sizeof *insns,
			     &opts);
}

/* int lab_filter(struct __sk_buff *skb), static int lab_sum(int a, long b) */
static int load_typed(void)
{
	struct bpf_func_info info[2] = { { 0 }, { .insn_off = 4 } };
	struct btf *btf = btf__new_empty();
	int number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	int wide = btf__add_int(btf, "long int", 8, BTF_INT_SIGNED);
	int skb = btf__add_struct(btf, "__sk_buff", 4), proto;

	btf__add_field(btf, "len", number, 0, 0);
	skb = btf__add_ptr(btf, skb);
	proto = btf__add_func_proto(btf, number);
	btf__add_func_param(btf, "skb", skb);
	info[0].type_id = (unsigned)btf__add_func(btf, "lab_filter", BTF_FUNC_GLOBAL, proto);
	proto = btf__add_func_proto(btf, number);
	btf__add_func_param(btf, "a", number);
	btf__add_func_param(btf, "b", wide);
	info[1].type_id = (unsigned)btf__add_func(btf, "lab_sum", BTF_FUNC_STATIC, proto);
	return load("lab_filter", btf, info, 2);
}

int main(void)
{
	char packet[64] = "";
	int typed, untyped, number;
	sigset_t go;

	sigemptyset(&go);
	sigaddset(&go, SIGUSR1);
	sigprocmask(SIG_BLOCK, &go, NULL);
	typed = load_typed();
	untyped = load("lab_untyped", NULL, NULL, 0);
	if (typed < 0 || untyped < 0) {
		perror("program");
		return 1;
	}
	puts("ready");
	fflush(stdout);
	while (!sigwait(&go, &number)) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = packet, .data_size_in = sizeof packet);

		for (int i = 0; i < 100; i++)
			if (bpf_prog_test_run_opts(typed, &run))
				perror("run");
		puts("done");
		fflush(stdout);
	}
	return 0;
}
