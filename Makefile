# SPDX-License-Identifier: Apache-2.0
#
# xbt's build. `make` makes ./xbt; `make help` lists the rest.
# Needs: a C11 compiler, flex, bison, libbpf, libelf, zlib (Debian: see README.md).

CC      ?= gcc
CFLAGS  ?= -O2 -g
prefix  ?= /usr/local
B       ?= build
BIN     ?= xbt

WARN    = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
CPPFLAGS_ALL = -std=c11 -D_GNU_SOURCE -I. -I$(B) $(CPPFLAGS)
LIBS    = -lbpf -lelf -lz

SRC = \
	core/arena.c core/diag.c core/source.c core/str.c core/table.c \
	target/arch.c target/features.c target/glob.c target/ksyms.c target/path.c target/tracefs.c \
	lexer/number.c lexer/string.c \
	parser/ast.c \
	sema/builtins.c sema/check.c sema/expand.c sema/format.c sema/infer.c sema/parse.c \
	sema/plan.c sema/resolve.c sema/type.c \
	codegen/allocate.c codegen/build.c codegen/build_agg.c codegen/build_builtin.c \
	codegen/build_event.c codegen/build_map.c codegen/build_memory.c codegen/build_value.c \
	codegen/disasm.c codegen/emit.c codegen/generate.c codegen/ir.c codegen/ir_dump.c \
	codegen/ir_verify.c codegen/lower.c codegen/prune.c \
	probes/attach.c probes/kprobe.c probes/special.c probes/timer.c probes/tracepoint.c \
	runtime/agg.c runtime/child.c runtime/event.c runtime/hist.c runtime/list.c runtime/load.c \
	runtime/loop.c runtime/maps.c runtime/options.c runtime/out_text.c runtime/session.c \
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

clean:
	rm -rf $(B) $(BIN)

-include $(OBJ:.o=.d) $(MAIN:.o=.d)

.PHONY: clean
