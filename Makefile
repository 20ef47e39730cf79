# SPDX-License-Identifier: Apache-2.0
#
# xbt's build. `make` makes ./xbt; `make help` lists the rest.
# Needs: a C11 compiler, flex, bison, libbpf, libelf, zlib, liblzma, libiberty; and libdw if it is there (Debian: see README.md).

CC      ?= gcc
CFLAGS  ?= -O2 -g
prefix  ?= /usr/local
B       ?= build
BIN     ?= xbt

WARN    = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
CPPFLAGS_ALL = -std=c11 -D_GNU_SOURCE -I. -I$(B) $(CPPFLAGS)
# With libdw scripts may name the arguments of programs' functions and lines of their source.
ifeq ($(origin DWARF),undefined)
DWARF := $(shell $(CC) $(CPPFLAGS) -include dwarf.h -include elfutils/libdwfl.h -E -x c /dev/null >/dev/null 2>&1 && echo yes)
endif
DWARF_SRC = $(if $(DWARF),probes/dwarf.c probes/dwarf_type.c,probes/no_dwarf.c)
LIBS    = $(if $(DWARF),-ldw) -lbpf -lelf -lz -llzma -liberty

SRC = \
	core/arena.c \
	core/diag.c \
	core/source.c \
	core/str.c \
	core/table.c \
	target/arch.c \
	target/btf.c \
	target/btf_text.c \
	target/constants.c \
	target/binaries.c \
	target/cpp.c \
	target/elf.c \
	target/features.c \
	target/glob.c \
	target/insn.c \
	target/ksym_ask.c \
	target/ksyms.c \
	target/names.c \
	target/path.c \
	target/section.c \
	target/symtab.c \
	target/tracefs.c \
	target/usyms.c \
	lexer/directive.c \
	lexer/number.c \
	lexer/string.c \
	parser/ast.c \
	parser/layout.c \
	parser/pieces.c \
	sema/builtins.c \
	sema/cdecl.c \
	sema/check.c \
	sema/check_builtin.c \
	sema/check_call.c \
	sema/check_named.c \
	sema/check_statement.c \
	sema/config.c \
	sema/constant.c \
	sema/cdef.c \
	sema/cexpand.c \
	sema/cpart.c \
	sema/cpp.c \
	sema/cread.c \
	sema/ctype.c \
	sema/expand.c \
	sema/fit.c \
	sema/format.c \
	sema/front.c \
	sema/import.c \
	sema/infer.c \
	sema/infer_call.c \
	sema/join.c \
	sema/macro.c \
	sema/parse.c \
	sema/plan.c \
	sema/resolve.c \
	sema/stack.c \
	sema/type.c \
	sema/uaddr.c \
	codegen/allocate.c \
	codegen/build.c \
	codegen/build_access.c \
	codegen/build_agg.c \
	codegen/build_builtin.c \
	codegen/build_const.c \
	codegen/build_event.c \
	codegen/build_for.c \
	codegen/build_map.c \
	codegen/build_memory.c \
	codegen/build_seq.c \
	codegen/build_stack.c \
	codegen/build_text.c \
	codegen/build_target.c \
	codegen/build_value.c \
	codegen/disasm.c \
	codegen/emit.c \
	codegen/generate.c \
	codegen/ir.c \
	codegen/ir_dump.c \
	codegen/ir_verify.c \
	codegen/lower.c \
	codegen/prune.c \
	probes/attach.c \
	probes/bpf_program.c \
	probes/copies.c \
	probes/btf_list.c \
	probes/btf_target.c \
	probes/counter.c \
	$(DWARF_SRC) \
	probes/fentry.c \
	probes/iter.c \
	probes/kprobe.c \
	probes/list.c \
	probes/multi.c \
	probes/perf_event.c \
	probes/rawtracepoint.c \
	probes/special.c \
	probes/timer.c \
	probes/tracepoint.c \
	probes/uprobe.c \
	probes/usdt.c \
	probes/watchpoint.c \
	runtime/agg.c \
	runtime/attach.c \
	runtime/child.c \
	runtime/command.c \
	runtime/event.c \
	runtime/fold.c \
	runtime/gfp.c \
	runtime/hist.c \
	runtime/list.c \
	runtime/list_types.c \
	runtime/load.c \
	runtime/lru.c \
	runtime/loop.c \
	runtime/maps.c \
	runtime/missed.c \
	runtime/options.c \
	runtime/pair.c \
	runtime/out_flame.c \
	runtime/out_json.c \
	runtime/out_text.c \
	runtime/session.c \
	runtime/sideband.c \
	runtime/stack.c \
	runtime/tseries.c \
	runtime/value.c
GENERATED = $(B)/parser/grammar.c $(B)/lexer/lexer.c
OBJ  = $(SRC:%.c=$(B)/%.o) $(GENERATED:.c=.o)
MAIN = $(B)/runtime/main.o

$(BIN): $(MAIN) $(OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/%.o: %.c $(B)/parser/grammar.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS) $(WARN) -MMD -MP -c -o $@ $<

$(B)/%.o: $(B)/%.c
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS) $(WARN) -MMD -MP -c -o $@ $<

$(B)/parser/grammar.h: $(B)/parser/grammar.c ;
$(B)/parser/grammar.c: parser/grammar.y
	@mkdir -p $(@D)
	bison -Wall -o $@ --header=$(B)/parser/grammar.h $<

$(B)/lexer/lexer.c: lexer/lexer.l $(B)/parser/grammar.h
	@mkdir -p $(@D)
	flex -o $@ $<

# Names of system calls, as the C library's header has them for this machine.
$(B)/target/names.o: $(B)/target/syscalls.h
$(B)/target/syscalls.h:
	@mkdir -p $(@D)
	echo '#include <sys/syscall.h>' | $(CC) $(CPPFLAGS) -E -dM - | \
		sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$$/[\2] = "\1",/p' > $@.new
	mv $@.new $@

# The macros that every script can call, as a string.
$(B)/sema/macro.o: $(B)/sema/prelude.h
$(B)/sema/prelude.h: sema/prelude.bt
	@mkdir -p $(@D)
	sed -e 's/[\\"]/\\&/g' -e 's/.*/"&\\n"/' $< > $@.new
	mv $@.new $@

# The script of flame graphs, as lines of a C string.
$(B)/runtime/flame.js.h: runtime/flame.js
	@mkdir -p $(@D)
	sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< > $@
$(B)/runtime/out_flame.o: $(B)/runtime/flame.js.h

# ---- tests: each prints FAIL and skip lines and its sums ------------------------------------

PRINT_TEST = $(B)/tests/print_test
CASES = tests/cases/ast.txt tests/cases/types.txt tests/cases/bpf.txt tests/cases/errors.txt \
	tests/cases/list.txt tests/cases/fmt.txt
DIFF_CASES = $(wildcard tests/diff/*.txt)
RUN_CASES = tests/cases/run.txt $(DIFF_CASES) tests/cases/json.txt tests/cases/stack.txt
ROOT_CASES = $(RUN_CASES) tests/root/run.txt tests/root/probes.txt
EVAL = tests/cases/eval.txt
SANITIZE = -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
PRINT_OBJ = $(addprefix $(B)/,runtime/session.o runtime/value.o runtime/gfp.o runtime/hist.o runtime/agg.o \
	runtime/maps.o runtime/sideband.o runtime/stack.o runtime/tseries.o target/section.o target/symtab.o target/usyms.o runtime/command.o runtime/event.o runtime/fold.o runtime/out_flame.o runtime/out_json.o runtime/out_text.o sema/type.o sema/format.o target/glob.o target/names.o \
	target/path.o core/arena.o \
	core/str.o core/table.o core/source.o)

# xbt with a kernel of its own, for BEGIN and END: tests/bpfvm.c.
VM = $(B)/vm/xbt
IN_VM = VM=1 XBT=$(abspath $(VM))

$(VM): $(MAIN) $(OBJ) $(B)/tests/bpfvm.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(PRINT_TEST): $(B)/tests/print_test.o $(PRINT_OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

check: $(BIN) $(VM) $(PRINT_TEST) ## test what needs no root (some cases use it if they have it)
	$(PRINT_TEST) tests/print/*.txt
	XBT=$(abspath $(BIN)) tests/run $(CASES)
	$(IN_VM) tests/run $(RUN_CASES)
	$(IN_VM) tests/eval $(EVAL)
	$(IN_VM) tests/layout 60 1
	XBT_ROOT=tests/fixture XBT=$(abspath $(BIN)) tests/one-error scripts/*.bt tests/cases/run.txt
	XBT=$(abspath $(VM)) tests/flame
	sh tests/hypercall-names.test.sh
	XBT=$(abspath $(BIN)) tests/fmt
	XBT=$(abspath $(BIN)) tests/man
	tests/lint

check-root: $(BIN) ## test in the running kernel
	XBT=$(abspath $(BIN)) tests/run $(ROOT_CASES)
	XBT=$(abspath $(BIN)) tests/eval $(EVAL)
	XBT=$(abspath $(BIN)) tests/root/symbols

check-vm: $(BIN) ## test in kernels that have kprobes, and in a Xen guest (QEMU)
	XBT=$(abspath $(BIN)) tests/vm/all

check-browser: $(VM) ## open a flame graph in a browser, click and search
	XBT=$(abspath $(VM)) tests/browser

spill: $(BIN) $(VM) ## runs with one register to allocate
	XBT_REGISTERS=few $(IN_VM) tests/run $(RUN_CASES)
	XBT_REGISTERS=few XBT=$(abspath $(BIN)) tests/run $(ROOT_CASES)

randra: $(BIN) $(VM) ## runs with registers given out at random
	for seed in 1 22 333; do XBT_REGISTERS=$$seed $(IN_VM) tests/run $(RUN_CASES) || exit; done
	for seed in 1 22 333; do XBT_REGISTERS=$$seed XBT=$(abspath $(BIN)) tests/run $(ROOT_CASES) || exit; done

plain: ## build without libdw, as where it isn't installed, and run the compiler's cases
	$(MAKE) B=build/plain BIN=build/plain/xbt DWARF= build/plain/xbt
	XBT=build/plain/xbt tests/run $(CASES)

asan: ## check and check-root with ASan and UBSan
	$(MAKE) B=build/asan BIN=build/asan/xbt CFLAGS="$(SANITIZE)" LDFLAGS="$(SANITIZE)" check check-root

fuzz: ## mutated scripts and files through everything that reads, with ASan and UBSan (SECONDS=30 each)
	$(MAKE) B=build/asan BIN=build/asan/xbt CFLAGS="$(SANITIZE)" LDFLAGS="$(SANITIZE)" build/asan/xbt
	XBT=build/asan/xbt tests/fuzz $(or $(SECONDS),30)
	if command -v clang >/dev/null; then \
		$(MAKE) B=build/fuzz CC=clang WARN=-w CFLAGS="$(FUZZER),fuzzer-no-link" build/fuzz/readers && \
		tests/fuzz-readers build/fuzz/readers $(or $(SECONDS),30) $(READERS); \
	else echo 'skip fuzz-readers: needs clang and its libFuzzer'; fi

# Everything that reads bytes, one function each: tests/fuzz_readers.c.
FUZZER = -g -O1 -fno-sanitize-recover=all -fsanitize=address,undefined
$(B)/readers: $(OBJ) $(B)/tests/fuzz_readers.o
	$(CC) $(FUZZER),fuzzer $(LDFLAGS) -o $@ $^ $(LIBS)

bless: $(BIN) ## write what is seen now into the cases, to be reviewed like code
	XBT=$(abspath $(BIN)) tests/run --bless $(CASES) $(ROOT_CASES)

diff: $(BIN) ## the cases of tests/diff, and 10000 random programs, against bpftrace (XBT_RIVAL)
	tests/run --rival $(DIFF_CASES)
	XBT=$(abspath $(BIN)) tests/diff/random 10000 $(or $(SEED),1)

lint: ## check the rules of the house
	tests/lint

test: ## all of it: check, check-root, plain, spill, asan, check-vm
	tests/all

clean: ## remove what make made
	rm -rf $(B) $(BIN) $(STATIC)

# ---- install ------------------------------------------------------------------------------

STRIP   ?= strip
bindir  ?= $(prefix)/bin
mandir  ?= $(prefix)/share/man
datadir ?= $(prefix)/share/xbt

install: $(BIN) ## install binary, man page and scripts under prefix (/usr/local); DESTDIR is honoured
	install -D -m 755 -s --strip-program='$(STRIP)' $(BIN) '$(DESTDIR)$(bindir)/xbt'
	install -D -m 644 runtime/xbt.1 '$(DESTDIR)$(mandir)/man1/xbt.1'
	install -d '$(DESTDIR)$(datadir)/scripts'
	install -m 755 scripts/* '$(DESTDIR)$(datadir)/scripts'

uninstall: ## remove what install put there
	rm -f '$(DESTDIR)$(bindir)/xbt' '$(DESTDIR)$(mandir)/man1/xbt.1'
	rm -rf '$(DESTDIR)$(datadir)'

# ---- one file without shared libraries ------------------------------------------------------

# libc's getpwuid would load libraries at run time: runtime/static/ has another.
STATIC = $(BIN)-static
STATIC_LIBS = $(LIBS) $(if $(DWARF),-lbz2) $(if $(findstring /,$(shell $(CC) -print-file-name=libzstd.a)),-lzstd)

static: $(STATIC) ## make ./xbt-static, which runs without any other file
$(STATIC): $(MAIN) $(OBJ) $(B)/runtime/static/getpwuid.o
	$(CC) $(CFLAGS) $(LDFLAGS) -static -s -o $@ $^ $(STATIC_LIBS)

# ---- another machine ------------------------------------------------------------------------

# Library headers are the same for all machines; the cross compiler's own come first.
CROSS ?= aarch64-linux-gnu-
cross-aarch64: ## compile for aarch64, and link if the libraries are there
	$(MAKE) B=$(B)/aarch64 BIN=$(B)/aarch64/xbt CC=$(CROSS)gcc \
		CPPFLAGS='-idirafter /usr/include $(CPPFLAGS)' \
		$(if $(findstring /,$(shell $(CROSS)gcc -print-file-name=libbpf.so)),$(B)/aarch64/xbt,objects)

objects: $(MAIN) $(OBJ)

# ---- the rest -------------------------------------------------------------------------------

bench: $(BIN) ## measure; against bpftrace if XBT_RIVAL says how to run it
	XBT=$(abspath $(BIN)) tests/bench/run

help: ## show this
	@echo 'make               make ./xbt'
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1 \2/p' Makefile | \
		while read -r t text; do printf 'make %-13s %s\n' "$$t" "$$text"; done

-include $(OBJ:.o=.d) $(MAIN:.o=.d) $(B)/runtime/static/getpwuid.d $(B)/tests/bpfvm.d \
	$(B)/tests/print_test.d $(B)/tests/fuzz_readers.d

.PHONY: asan bench bless check check-browser check-root check-vm clean cross-aarch64 fuzz help install lint objects plain \
	randra spill static test uninstall
