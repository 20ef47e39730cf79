#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Tests scripts/hypercall-names.
#
# Knows: what a header may hold: comments, aliases, gaps, both number bases.
# Needs: sh, awk, sort; no privilege. The real headers (linux-headers, libxen-dev)
#   are tested where they are installed.
# Leaves: a line for each test, and a summary; status 1 if any failed.
set -u
cd "$(dirname "$0")/.." || exit 1
prog=scripts/hypercall-names
passed=0 failed=0 skipped=0

ok() { passed=$((passed + 1)); printf 'ok %s\n' "$1"; }
bad() { failed=$((failed + 1)); printf 'FAIL %s: %s\n' "$1" "$2"; }
skip() { skipped=$((skipped + 1)); printf 'skip %s: %s\n' "$1" "$2"; }

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# same NAME WANTED HEADER
same() {
	if got=$("$prog" "$3" 2>"$tmp/err") && [ "$got" = "$2" ] && [ ! -s "$tmp/err" ]; then
		ok "$1"
	else
		bad "$1" "got: $(printf '%s' "$got" | tr '\n' '|') $(cat "$tmp/err")"
	fi
}

# refused NAME WORDS [ARG...]: status 1, nothing on stdout, one line with these words
refused() {
	name=$1 words=$2
	shift 2
	"$prog" "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	if [ $status -ne 1 ]; then
		bad "$name" "status $status"
	elif [ -s "$tmp/out" ]; then
		bad "$name" "wrote to standard output"
	elif [ "$(wc -l <"$tmp/err")" -ne 1 ] || ! grep -q -e "$words" "$tmp/err"; then
		bad "$name" "said: $(cat "$tmp/err")"
	else
		ok "$name"
	fi
}

cat >"$tmp/xen.h" <<'H'
#ifndef XEN_H
/*
 * ` enum hypercall_num { // __HYPERVISOR_* => HYPERVISOR_*()
#define __HYPERVISOR_in_comment 11
 */
#define __HYPERVISOR_second_last          0x30
#define	__HYPERVISOR_mmu_update	1
// #define __HYPERVISOR_in_line_comment  11
/* #define __HYPERVISOR_in_one_line 11 */
  #  define __HYPERVISOR_sched_op_compat   6 /* compat since 0x00030101 */
#define __HYPERVISOR_update_descriptor    10
#define __HYPERVISOR_memory_op            (12)
#define __HYPERVISOR_dom0_op              6
#define __HYPERVISOR_mmuext_op            26U
#define __HYPERVISOR_sched_op             29
#undef __HYPERVISOR_sched_op
#define __HYPERVISOR_sched_op __HYPERVISOR_sched_op_compat
#define __HYPERVISOR_event_op(x) 11
#define __HYPERVISOR_VIRT_START 0xFFFF800000000000
#define HYPERVISOR_other 11
#if 0
#if X
#define __HYPERVISOR_off 11
#endif
#define __HYPERVISOR_off_too 11
#else
#define __HYPERVISOR_arch_7               55
#endif
#endif
H
same 'comments, aliases, gaps, bases' '@name[1] = "mmu_update";
@name[6] = "sched_op_compat";
@name[10] = "update_descriptor";
@name[12] = "memory_op";
@name[26] = "mmuext_op";
@name[29] = "sched_op";
@name[48] = "second_last";
@name[55] = "arch_7";' "$tmp/xen.h"

printf '#define __HYPERVISOR_iret 23\r\n#define __HYPERVISOR_set_gdt 2' >"$tmp/a=b c.h"
same 'carriage returns, no last newline, odd file name' '@name[2] = "set_gdt";
@name[23] = "iret";' "$tmp/a=b c.h"

printf 'HYPERCALL(arch_1)\nHYPERCALL(mmuext_op)\n' >"$tmp/list.h"
: >"$tmp/empty.h"
echo '#define __HYPERVISOR_mca __HYPERVISOR_arch_0' >"$tmp/alias.h"
head -c 4096 /dev/urandom >"$tmp/binary.h"
refused 'no such file' 'no such file: /nonexistent/xen.h' /nonexistent/xen.h
refused 'a folder' 'a folder' "$tmp"
refused 'an empty file' 'no hypercalls' "$tmp/empty.h"
refused 'only an alias' 'no hypercalls' "$tmp/alias.h"
refused 'binary garbage' 'no hypercalls' "$tmp/binary.h"
refused 'names without numbers' 'without their numbers' "$tmp/list.h"
refused 'an unknown option' 'no such option: --wrong' --wrong
refused 'two headers' 'one header' a b
if "$prog" --help | grep -q '^usage: hypercall-names'; then ok '--help'; else bad '--help' 'no usage'; fi

# What every real header must give, whoever wrote it.
real() {
	if ! out=$("$prog" "$2" 2>&1); then
		bad "$1" "$out"
		return
	fi
	for line in '@name[1] = "mmu_update";' '@name[3] = "stack_switch";' '@name[14] = "update_va_mapping";' \
		'@name[26] = "mmuext_op";' '@name[6] = "sched_op_compat";' '@name[29] = "sched_op";' '@name[48] = "arch_0";'; do
		if ! printf '%s\n' "$out" | grep -qxF "$line"; then
			bad "$1" "no line $line"
			return
		fi
	done
	if printf '%s\n' "$out" | grep -qF '@name[11]'; then
		bad "$1" 'has a hypercall 11'
	elif printf '%s\n' "$out" | grep -qvx '@name\[[0-9]*\] = "[a-z0-9_]*";'; then
		bad "$1" 'has other lines'
	elif [ "$(printf '%s\n' "$out" | sed 's/.*\[//; s/\].*//')" != "$(printf '%s\n' "$out" | sed 's/.*\[//; s/\].*//' | sort -n -u)" ]; then
		bad "$1" 'is not sorted by number, or repeats one'
	else
		ok "$1"
	fi
}

found=
for h in /usr/src/linux-headers-*/include/xen/interface/xen.h; do
	[ -e "$h" ] || continue
	found=$h
	name=${h#/usr/src/}
	real "${name%%/*}" "$h"
done
[ "$found" ] || skip 'kernel headers' 'no linux-headers here'
if [ -e /usr/include/xen/xen.h ]; then
	real libxen-dev /usr/include/xen/xen.h
else
	skip libxen-dev 'not installed'
fi
list=
for h in /usr/src/linux-headers-*/arch/x86/include/generated/asm/xen-hypercalls.h; do
	[ -e "$h" ] && list=$h
done
if [ "$list" ]; then
	refused "the kernel's own list of names" 'without their numbers' "$list"
else
	skip "the kernel's own list of names" 'no linux-headers here'
fi
if [ "$found" ] || [ -e /usr/include/xen/xen.h ]; then
	if "$prog" 2>"$tmp/err" | grep -qxF '@name[26] = "mmuext_op";' && grep -q '^hypercall-names: from /usr/' "$tmp/err"; then
		ok 'finds a header by itself'
	else
		bad 'finds a header by itself' "$(cat "$tmp/err")"
	fi
else
	skip 'finds a header by itself' 'there is none'
fi

printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
[ $failed -eq 0 ]
