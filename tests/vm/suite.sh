#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# suite.sh PART...: the tests that need a kernel with kprobes, or Xen; run inside a guest of
# the lab, all that a kernel has to show in one boot.
#
#	plain	kprobes and kretprobes, signals, -c, #!, what is left behind
#	probes	all forms of probes of kernel functions (probes.sh)
#	xen	the scripts for Xen guests against the kernel's own counts; the scripts of 2019
#	short	xenhyper, cpustolen and xenupcall only (kernels other than 6.1)
#	tools	the other scripts, by name (Xen)
#	steal	cpustolen against /proc/stat: two virtual CPUs on one physical CPU
#
# Knows: scripts/, and lib.sh's oracles: tracefs kprobes and hist triggers, /proc/stat.
# Needs: $XBT (./xbt), root in the guest. An oracle's window lies inside xbt's, so xbt may
#   have counted a little more: what the shell and xbt itself did at the edges.
# Leaves: a line for each test and the summary; status 1 if any failed.
cd "$(dirname "$0")/../.." || exit
. tests/vm/lib.sh
. tests/vm/probes.sh
XBT=${XBT:-./xbt}
dir=$(mktemp -d)
trap 'lab_cleanup; rm -rf "$dir"' EXIT
out=$dir/out err=$dir/err

# start ARGS: xbt in the background, attached when this returns.
start() {
	: >"$out"
	__BPFTRACE_NOTIFY_PROBES_ATTACHED=1 "$XBT" "$@" >"$out" 2>"$err" &
	tracer=$!
	wait_attached "$out" 60 || { bad "start $*" "not attached: $(cat "$err")"; return 1; }
}

# measure SECONDS ARGS: xbt and the oracle that was made ready, over the same work.
measure() {
	seconds=$1
	shift
	window "$out" "$err" "$seconds" "$XBT" "$@"
	status=$?
	[ $status = 0 ] || bad "measure $*" "status $status: $(cat "$err")"
}

# stop [SIGNAL]: ends it; its status is in $status.
stop() {
	kill -"${1:-INT}" $tracer 2>/dev/null
	wait $tracer
	status=$?
}

# The value of a map's element in the output: value '@[mmu_update]'. 0 if it is not there.
value() { awk -v key="$1: " 'index($0, key) == 1 { v = substr($0, length(key) + 1) } END { print v + 0 }' "$out"; }
# The sum of all values of the lines that begin so (a map's elements).
total() { awk -v key="$1" 'index($0, key) == 1 { n += $NF } END { print n + 0 }' "$out"; }
# The number of values in a histogram: the counts of its rows.
hist_total() { sed -n "/^@$1:/,/^\$/p" "$out" | awk -F'|' 'NF > 2 { n = split($1, w, " "); t += w[n] } END { print t + 0 }'; }

# covers NAME GOT ORACLE: at least what the oracle saw, and at most 5 % and 100 more: the tracer
# attaches before the oracle begins, and detaches after it ended.
covers() {
	if [ "$2" -ge "$3" ] && [ "$2" -le $(($3 + $3 / 20 + 100)) ] && [ "$3" -gt 0 ]; then
		ok "$1 ($2, $3)"
	else
		bad "$1" "$2, and the kernel's own count is $3"
	fi
}

# The function that an upcall of a paravirtual guest enters on this kernel.
upcall() {
	case $(kernel_line) in
	5.*) echo __xen_evtchn_do_upcall ;;
	*) echo xen_evtchn_do_upcall ;;
	esac
}

# --- any kernel with kprobes -----------------------------------------------------------------

nothing_left() {
	kprobes=$(cat /sys/kernel/tracing/kprobe_events)
	# Perf's own kprobes show in the list of the kernel's, if anywhere.
	list=$(grep -c -v -i disabled /sys/kernel/debug/kprobes/list 2>/dev/null)
	equal "$1: no kprobe is left" "${list:-0}$kprobes" 0
}

test_kprobes() {
	kprobe_ready vfs_read
	measure 2 -e 'kprobe:vfs_read { @k = count(); }'
	kprobe_count_stop
	covers "kprobe:vfs_read" "$(value '@k')" $kprobe_count
	# One process that begins and ends while all are attached: they must agree to the last call.
	start -e 'kprobe:vfs_read / comm == "dd" / { @k[comm] = count(); @size = sum(arg2); } kretprobe:vfs_read / comm == "dd" / { @r = count(); @f[func] = count(); } kprobe:vfs_rea*, kprobe:vfs_write / comm == "dd" / { @p[probe] = count(); }'
	dd if=/dev/zero of=/dev/null bs=7 count=500 2>/dev/null
	stop
	calls=$(value '@k[dd]')
	[ "$calls" -ge 500 ] && ok "kprobe: comm" || bad "kprobe: comm" "$(cat "$out")"
	[ "$(value '@size')" -ge 3500 ] && ok "kprobe: arg2" || bad "kprobe: arg2" "$(cat "$out")"
	equal "kretprobe:vfs_read" "$(value '@r')" "$calls"
	equal "func of a kretprobe" "$(value '@f[vfs_read]')" "$calls"
	equal "wildcard, probe" "$(value '@p[kprobe:vfs_read]')" "$calls"
	nothing_left "kprobes"
}

test_missing() {
	"$XBT" -e 'kprobe:vfs_raed { }' >"$out" 2>"$err"
	equal "a missing function: status" $? 1
	grep -q "did you mean 'kprobe:vfs_read'" "$err" && ok "a missing function: hint" || bad "a missing function: hint" "$(cat "$err")"
	"$XBT" -e 'kprobe:vfs_raed, kprobe:vfs_read { exit(); } interval:ms:200 { exit(); }' >"$out" 2>"$err"
	equal "one of two missing: status" $? 0
	grep -q "warning: kprobe:vfs_raed" "$err" && ok "one of two missing: warning" || bad "one of two missing: warning" "$(cat "$err")"
	"$XBT" -e 'kprobe:asm_exc_page_fault { }' >"$out" 2>"$err"
	equal "a function that can't be probed: status" $? 1
	grep -q "can't attach to kprobe:asm_exc_page_fault" "$err" && ok "a function that can't be probed" || bad "a function that can't be probed" "$(cat "$err")"
	nothing_left "errors"
}

test_signals() {
	for signal in INT TERM; do
		start -e 'kprobe:vfs_read { @ = count(); } END { printf("end\n"); }'
		cat /etc/hostname >/dev/null
		stop $signal
		equal "SIG$signal: status" $status 0
		grep -qx end "$out" && grep -q '^@: ' "$out" && ok "SIG$signal: END and maps" || bad "SIG$signal: END and maps" "$(cat "$out")"
	done
	nothing_left "signals"
}

test_command() {
	"$XBT" -q -e 'kprobe:vfs_write /comm == "dd"/ { @ = count(); }' -c 'dd if=/dev/zero of=/dev/null bs=1 count=321' >"$out" 2>"$err"
	[ "$(value '@')" -ge 321 ] && ok "-c: from start to end" || bad "-c: from start to end" "$(cat "$out" "$err")"
	go=$(mktemp -u)
	mkfifo "$go"
	sh -c 'read -r word <"$0"; exec dd if=/dev/zero of=/dev/null bs=1 count=123' "$go" 2>/dev/null &
	start -p $! -e 'kprobe:vfs_write { @[comm] = count(); }'
	echo go >"$go"
	rm -f "$go"
	wait "$tracer"
	equal "-p: that process only, to its end" "$(grep -c '^@\[' "$out") $(($(value '@[dd]') >= 123))" "1 1"
	printf '#!/usr/bin/env xbt\nBEGIN { printf("%%d %%s\\n", $1, str($2)); exit(); }\n' >"$dir/first.bt"
	chmod +x "$dir/first.bt"
	cp "$XBT" "$dir/xbt"
	equal "#!/usr/bin/env xbt" "$(PATH=$dir:$PATH "$dir/first.bt" 42 word 2>/dev/null | head -n 1)" "42 word"
}

# --- Xen ---------------------------------------------------------------------------------------

# Acceptance: the same work of one process, counted by xenhyper.bt and by the kernel.
test_xenhyper_single() {
	hist_available || { skip "xenhyper = hist trigger" "this kernel has no hist triggers"; return; }
	single_start 60
	start -p $single_pid scripts/xenhyper.bt
	hist_start xen:xen_mc_entry op "common_pid == $single_pid"
	single_go
	hist_stop "$dir/hist"
	wait $tracer
	xbt_ops=$(sed -n 's/^@\[\(.*\)\]: \(.*\)/\1 \2/p' "$out" | sort | tr '\n' ' ')
	kernel_ops=$(sed 's/^1 /mmu_update /; s/^3 /stack_switch /; s/^14 /update_va_mapping /; s/^26 /mmuext_op /' "$dir/hist" | sort | tr '\n' ' ')
	equal "xenhyper of one process = hist trigger ($xbt_ops)" "$xbt_ops" "$kernel_ops"
}

test_xenhyper() {
	event_ready xen:xen_mc_entry
	measure 4 scripts/xenhyper.bt
	event_count_stop
	covers "xenhyper, everybody" "$(total '@[')" $((event_count + event_lost))
	names=$(sed -n 's/^@\[\(.*\)\]: .*/\1/p' "$out" | sort | tr '\n' ' ')
	equal "xenhyper's operations" "$names" "mmu_update mmuext_op stack_switch update_va_mapping "
	equal "xenhyper: no number without a name" "$(grep -c '^@number' "$out")" 0
}

test_xenmcidx() {
	event_ready xen:xen_mc_entry
	measure 4 scripts/xenmcidx.bt 1000
	event_count_stop
	covers "xenmcidx: sum over flushes = entries" "$(value '@entries')" $((event_count + event_lost))
	start scripts/xenmcidx.bt
	workload 3
	stop
	[ "$(grep -c '^[0-9][0-9]:[0-9][0-9]:[0-9][0-9]$' "$out")" -ge 2 ] && ok "xenmcidx: intervals" || bad "xenmcidx: intervals" "$(cat "$out")"
}

test_latencies() {
	kprobe_ready xen_mc_flush
	measure 3 scripts/xenflush-lat.bt
	kprobe_count_stop
	covers "xenflush-lat: flushes" "$(hist_total ns)" $kprobe_count
	kprobe_ready "$(upcall)"
	measure 3 scripts/xenupcall-lat.bt
	kprobe_count_stop
	covers "xenupcall-lat: upcalls" "$(hist_total ns)" $kprobe_count
}

# The sum of one member of a map's records: records '@alone[' count
records() { awk -v key="$1" -v member=".$2" 'index($0, key) == 1 { for (i = 1; i < NF; i++) if ($i == member) n += $(i + 2) } END { printf "%d", n }' "$out"; }

# The shipped tools, run by name, against the kernel's count of the events that they are about.
test_tools() {
	for tool in 'funccount t:xen:xen_mc_entry' 'stackcount t:xen:xen_mc_entry' 'argcount t:xen:xen_mc_entry op 1000' xenstacks xenhyper-who; do
		event_ready xen:xen_mc_entry
		# shellcheck disable=SC2086 # words
		measure 3 $tool
		event_count_stop
		covers "$tool" "$(awk '/: [0-9]+$/ { n += $NF } END { print n + 0 }' "$out")" $((event_count + event_lost))
	done
	kprobe_ready xen_mc_flush
	measure 3 funclatency xen_mc_flush us
	kprobe_count_stop
	covers "funclatency xen_mc_flush" "$(awk -F'|' 'NF > 2 { n = split($1, w, " "); t += w[n] } END { print t + 0 }' "$out")" $kprobe_count
	kprobe_ready "$(upcall)"
	measure 3 xenirq
	kprobe_count_stop
	covers "xenirq: upcalls" "$(value '@upcalls')" $kprobe_count
	[ "$(records '@irq_ns[' count)" -gt 10 ] && ok "xenirq: handlers" || bad "xenirq: handlers" "$(cat "$out" "$err")"
	start xencpu
	workload 3
	stop
	equal "xencpu: all stacks are of hypercalls" "$(grep -A1 '^@\[$' "$out" | grep -v -e '^@' -e '^--' -e xen_hypercall)" ""
	start stealrunq
	workload 3
	stop
	[ "$(hist_total delay_us)" -gt 10 ] && equal "stealrunq: rests" "$(hist_total rest_us)" "$(hist_total delay_us)"
}

# What the operations are given adds up to the batches' time, and each that passed is there.
test_xenhyper_lat() {
	event_ready xen:xen_mc_entry
	measure 4 xenhyper-lat
	event_count_stop
	parts=$(($(records '@alone[' total) + $(records '@shared[' total) + $(records '@unknown' total)))
	equal "xenhyper-lat: the parts are the whole (ns)" "$parts" "$(records '@flushed' total)"
	traced=$(($(records '@alone[' count) + $(records '@shared[' count) - $(records '@alone[(not traced)]' count) - $(records '@shared[(not traced)]' count)))
	covers "xenhyper-lat: entries" $traced $((event_count + event_lost))
	# The batch that the script came into, if its CPU had one then.
	[ "$(records '@unknown' count)" -le 1 ] && ok "xenhyper-lat: nothing unknown" ||
		bad "xenhyper-lat: nothing unknown" "$(cat "$out")"
}

# What the kernel did not run xbt for, it says itself.
missed() { sed -n 's/^xbt: \([0-9]*\) firings missed.*/\1/p' "$err" | grep . || echo 0; }

test_xenupcall() {
	kprobe_ready "$(upcall)"
	measure 3 scripts/xenupcall.bt
	kprobe_count_stop
	covers "xenupcall: each upcall once" $(($(total '@[') + $(missed))) $kprobe_count
}

test_cpustolen() {
	kprobe_ready xen_steal_clock
	measure 3 scripts/cpustolen.bt
	kprobe_count_stop
	# The first look has nothing to be compared with.
	covers "cpustolen: looks at the steal clock" $(($(hist_total stolen_us) + 1)) $kprobe_count
	equal "cpustolen: nothing negative" "$(grep -c -e '(\.\.\., 0)' -e ': -' "$out")" 0
}

# The two scripts in their form of 2019, as they are.
test_2019() {
	start tests/vm/xenhyper-2019.bt
	workload 2
	stop
	equal "xenhyper of 2019: status" $status 0
	[ "$(total '@[')" -gt 100 ] && ok "xenhyper of 2019" || bad "xenhyper of 2019" "$(cat "$out" "$err")"
	equal "xenhyper of 2019: its names" "$(sed -n 's/^@\[\(.*\)\]: .*/\1/p' "$out" | sort | tr '\n' ' ')" "acm_op mmu_update set_timer_op stack_switch "
	start tests/vm/cpustolen-2019.bt
	workload 2
	stop
	[ "$(hist_total stolen_us)" -gt 10 ] && ok "cpustolen of 2019" || bad "cpustolen of 2019" "$(cat "$out" "$err")"
}

# Both within one tick for each CPU, and 2 %.
test_steal() {
	lab_switch=$dir/steal.stat lab_busy=2
	measure 6 scripts/cpustolen.bt
	lab_busy=0
	cpus=$(grep -c '^cpu[0-9]' "$lab_switch.1")
	[ "$cpus" -ge 2 ] && ok "two CPUs" || bad "two CPUs" "$(cat "$lab_switch.1")"
	cpu=0
	while [ $cpu -lt "$cpus" ]; do
		us=$(awk -v key="@total_ns[$cpu]: " 'index($0, key) == 1 { printf "%d", $NF / 1000 }' "$out")
		stat=$(awk -v cpu="cpu$cpu" '$1 == cpu { n = $9 - n } END { printf "%d", n * 10000 }' "$lab_switch.1" "$lab_switch.0")
		near "stolen from CPU $cpu, us" "${us:-0}" "$stat" 2 10000
		[ "${us:-0}" -gt 1000000 ] && ok "more than a second" || bad "more than a second" "$us us"
		cpu=$((cpu + 1))
	done
}

# Kernels before 5.11 hold keys of 512 bytes; str() gives twice that.
test_long_keys() {
	"$XBT" -q -c 'cat /etc/hostname' -e 'tracepoint:syscalls:sys_enter_openat /comm == "cat"/ { @[str(args.filename)] = count(); }' >"$dir/keys" 2>&1
	equal "long strings as keys" "$(grep -c '^@\[/etc/hostname\]: 1$' "$dir/keys")" 1
}

for part; do
	case $part in
	plain) test_kprobes; test_missing; test_signals; test_command ;;
	probes) test_typed; test_arguments; test_asked; test_refusals; test_many; test_copies; test_interrupt; test_interrupt_detach; test_programs; test_session; test_missed; test_forms ;;
	xen) test_xenhyper_single; test_xenhyper; test_xenmcidx; test_latencies; test_xenupcall; test_cpustolen; test_2019 ;;
	tools) test_tools; test_xenhyper_lat ;;
	short) test_long_keys; test_xenhyper_single; test_xenhyper; test_cpustolen; test_xenupcall ;;
	steal) test_steal ;;
	*) bad "$part" "no such part" ;;
	esac
done
finish
