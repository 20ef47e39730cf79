# SPDX-License-Identifier: Apache-2.0
#
# probes.sh: kernel functions in all forms of probe. Part of suite.sh, which reads it.
#
# Knows: that one process's calls are the same number for a kprobe, an fentry, an fexit and a
#	kretprobe of one function, and that dd reads and writes as often as it is told to.
# Needs: suite.sh's start, stop and value; a kernel with kprobes.
# Leaves: a line for each test.

reads() { dd if=/dev/zero of=/dev/null bs=7 count=500 2>/dev/null; }

has_fentry() { "$XBT" -q --dry-run -e 'fentry:vfs_read { }' >/dev/null 2>&1; }

test_typed() {
	has_fentry || { skip "fentry, fexit" "this kernel takes none"; return; }
	start -e 'kprobe:vfs_read / comm == "dd" / { @k = count(); @kn = sum(args.count); @k2 = sum(arg2); }
		fentry:vfs_read / comm == "dd" / { @f = count(); @fn = sum(args.count); @ok = sum(args.file->f_inode->i_ino > 0); }
		fexit:vfs_read / comm == "dd" && args.count == 7 / { @x = count(); @xn = sum(retval); @[probe, func] = count(); }
		kfunc:vfs_write / comm == "dd" && args->count == 7 / { @w = count(); }
		kretprobe:vfs_read / comm == "dd" / { @r = count(); }'
	reads
	stop
	calls=$(value '@k')
	[ "$calls" -ge 500 ] && ok "kprobe before fentry" || bad "kprobe before fentry" "$(cat "$out" "$err")"
	equal "fentry = kprobe" "$(value '@f')" "$calls"
	equal "kretprobe = kprobe" "$(value '@r')" "$calls"
	equal "args.count = arg2" "$(value '@kn')" "$(value '@k2')"
	equal "args.count of fentry" "$(value '@fn')" "$(value '@k2')"
	equal "args.file->f_inode" "$(value '@ok')" "$calls"
	equal "fexit" "$(value '@x')" 500
	equal "retval of fexit" "$(value '@xn')" 3500
	equal "probe and func of fexit" "$(value '@[fexit:vfs_read, vfs_read]')" 500
	equal "kfunc is fentry" "$(value '@w')" 500
	"$XBT" -e 'fentry:asm_exc_page_fault { }' >"$out" 2>"$err"
	equal "fentry of what can't be traced: status" $? 1
	nothing_left "fentry"
	# dd puts its input in the place of the one that it was given.
	"$XBT" -q -c 'sh -c "dd if=/etc/hostname of=/dev/null status=none </etc/hosts"' \
		-e 'fentry:filp_close / comm == "dd" / { @[path(&args.filp->f_path)] = count(); }' >"$out" 2>"$err"
	equal "path()" "$(value '@[/etc/hosts]')" 1
}

# What the kernel says when it is asked (Linux 6.2) is what kallsyms says: of copies, data, modules, nothing.
test_asked() {
	{
		awk '$2 ~ /^[tT]$/ { n = $3; sub(/\..*/, "", n); of[n]++; whole[n] = $3 }
			END { for (n in of) if (of[n] == 1 && whole[n] ~ /\.(isra|constprop|part)/) print n }' \
			/proc/kallsyms | sort | head -300
		awk 'NF == 4 && $2 == "t" && $3 ~ /^[a-z_0-9]+$/ { print $3 }' /proc/kallsyms | sort | uniq -u | head -5
		printf '%s\n' linux_proc_banner avenrun no_such_one vfs_read
	} | sed 's/.*/kprobe:& { }/' >"$out.bt"
	split -l 25 "$out.bt" "$out.part"
	for part in "$out.part"*; do
		"$XBT" --check "$part" 2>&1
	done >"$out"
	for part in "$out.part"*; do
		XBT_ROOT=/. "$XBT" --check "$part" 2>&1
	done >"$err"
	equal "asked about functions" "$(cat "$out")" "$(cat "$err")"
	equal "asked about data and nothing" "$(grep -c 'error: .*: no such function' "$out")" 3
	addresses=$("$XBT" -q -e 'BEGIN { printf("%lx %lx\n", kaddr("avenrun"), kaddr("vfs_read")); }' | head -1)
	equal "addresses" "$addresses" "$(awk '$3 == "avenrun" || $3 == "vfs_read" { a[$3] = $1 } END { print a["avenrun"], a["vfs_read"] }' /proc/kallsyms)"
	rm -f "$out.bt" "$out.part"*
}

# Arguments by name: behind a struct in two registers, in a struct, and on the stack; the same function for
# kprobe and kretprobe, also where it begins with a landing pad.
test_arguments() {
	start -e 'kprobe:tcp_setsockopt / comm == "perl" && args.level == 6 && args.optname == 1 && args.optlen == 4 / { @s = count(); @o[args.optval.user == arg3 && args.optval.user != 0 && !args.optval.is_kernel] = count(); }
		kprobe:from_kuid_munged / comm == "perl" && args.kuid.val == 4321 / { @u = count(); }
		kprobe:do_mmap / comm == "perl" && args.pgoff == 0x700000 && args.populate != 0 && args.uf != 0 && args.len == 8192 / { @m = count(); }
		kprobe:vfs_write / comm == "perl" && args.count == 7 / { @at[tid, func] = 1; }
		kretprobe:vfs_write / @at[tid, func] / { @w = count(); delete(@at, (tid, func)); }'
	perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0) or die; setsockopt(S, 6, 1, 1) for 1..50; open(F, "<", "/etc/passwd"); open(N, ">", "/dev/null");
		syscall(9, 0, 8192, 1, 2, fileno(F), 0x700000000) for 1..30; $b = "1234567"; syscall(1, fileno(N), $b, 7) for 1..60; $< = $> = 4321; syscall(102) for 1..40;'
	stop
	equal "args behind a struct of two words" "$(value '@s')" 50
	equal "args in a struct of two words" "$(value '@o[true]')" 50
	users=$(value '@u') # the calls that change the user ask, too
	[ "$users" -ge 40 ] && [ "$users" -lt 45 ] && ok "args in a struct" || bad "args in a struct" "$users, not 40"
	equal "args on the stack" "$(value '@m')" 30
	equal "func of kprobe and kretprobe" "$(value '@w')" 60
	nothing_left "arguments"
}

# refused REASON ATTACH-POINT: is that why?
refused() {
	"$XBT" -e "$2 { @ = count(); } interval:ms:1 { exit(); }" >"$out" 2>"$err"
	grep -q "error: .*$1" "$err" && ok "$2: $1" || bad "$2: $1" "$(cat "$err")"
}

test_refusals() {
	refused 'on the kernel.s blacklist of kprobes' kprobe:asm_exc_page_fault
	refused 'it is notrace' kprobe:native_write_msr
	refused 'no such function (or it is inlined everywhere)' kprobe:get_current
	refused 'the offset is outside' kprobe:vfs_read+100000
	if has_fentry; then
		refused 'BTF has no such function' fentry:get_current
		refused 'notrace' fentry:notify_die
		refused 'kprobe and kretprobe find them' fentry:finish_task_switch
	fi
	"$XBT" --missing-probes ignore -e 'kprobe:asm_exc_page_fault { }' >"$out" 2>"$err"
	equal "nothing attached is the end" "$? $(cat "$err")" "0 Attached 0 probes"
	nothing_left "refusals"
}

# One program for all of them, which asks which it is at.
test_many() {
	start -e 'kprobe:vfs_* / comm == "dd" / { @p[probe] = count(); } kretprobe:vfs_* / comm == "dd" / { @r[func] = count(); } kprobe:vfs_read / comm == "dd" / { @k = count(); }'
	reads
	stop
	equal "kprobe:vfs_*" "$(value '@p[kprobe:vfs_read]')" "$(value '@k')"
	equal "kretprobe:vfs_*" "$(value '@r[vfs_read]')" "$(value '@k')"
	[ "$(value '@k')" -ge 500 ] && ok "kprobe beside them" || bad "kprobe beside them" "$(cat "$out" "$err")"
	nothing_left "wildcards"
	grep -q ' fprobe_' /proc/kallsyms || { skip "kprobe:*" "without fprobe it takes minutes"; return; }
	"$XBT" -e 'config = { max_probes = 100000 } kprobe:* { @ = count(); } interval:ms:1 { exit(); }' >"$out" 2>"$err"
	equal "kprobe:*: status" $? 0
	[ "$(sed -n 's/^Attached \([0-9]*\) probes/\1/p' "$err")" -gt 30000 ] && ok "kprobe:*" || bad "kprobe:*" "$(cat "$err")"
	nothing_left "kprobe:*"
}

test_copies() {
	name=$(awk '$2 ~ /^[tT]$/ && NF == 3 && $3 !~ /\./ { n[$3]++ } END { for (k in n) if (n[k] > 3 && n[k] < 30 && k ~ /^[a-z].*_show$/) print k }' /proc/kallsyms | sort | head -n 1)
	copies=$(awk -v name="$name" '$2 ~ /^[tT]$/ && ($3 == name || index($3, name ".constprop") == 1 || index($3, name ".isra") == 1)' /proc/kallsyms | wc -l)
	"$XBT" -e "kprobe:$name { } interval:ms:1 { exit(); }" >"$out" 2>"$err"
	equal "$name is $copies functions" "$(sed -n 's/^Attached \([0-9]*\) probes/\1/p' "$err")" $((copies + 1))
	nothing_left "copies"
}

# A terminal's Ctrl-C while attaching takes long, and one more while detaching does.
test_interrupt() {
	grep -q ' fprobe_' /proc/kallsyms && { skip "Ctrl-C while attaching" "one link attaches them all"; return; }
	mkfifo "$dir/keys"
	script -qefc "$XBT -e 'config = { max_probes = 10000 } kprobe:b*, kprobe:c* { @ = count(); } END { printf(\"the end\\n\"); }'" "$dir/terminal" <"$dir/keys" >/dev/null &
	terminal=$!
	exec 8>"$dir/keys"
	tries=600
	until grep -qs 'attaching: [0-9]* of ' "$dir/terminal" || [ $tries = 0 ]; do
		sleep 0.1
		tries=$((tries - 1))
	done
	printf '\003' >&8
	wait $terminal
	equal "Ctrl-C while attaching: status" $? 1
	exec 8>&-
	equal "Ctrl-C while attaching: said in place of the progress" "$(tr '\r' '\n' <"$dir/terminal" | grep -ac '^.\[Kxbt: interrupted while attaching$')" 1
	equal "Ctrl-C while attaching: no END" "$(grep -ac '^the end' "$dir/terminal")" 0
	nothing_left "Ctrl-C while attaching"
}

# Threads are there only while it detaches.
test_interrupt_detach() {
	start -e 'kprobe:vfs_*, t:syscalls:sys_enter_s* { @ = count(); } END { printf("the end\n"); }'
	perl -e 'kill "INT", $ARGV[0]; while (-d "/proc/$ARGV[0]/task") { my @threads = glob "/proc/$ARGV[0]/task/*"; if (@threads > 1) { kill "INT", $ARGV[0]; kill "TERM", $ARGV[0]; print "again\n"; exit } }' $tracer >"$dir/again"
	wait $tracer
	equal "Ctrl-C while detaching: status" $? 0
	equal "Ctrl-C while detaching" "$(cat "$dir/again") $(grep -c '^the end' "$out") $(grep -c '^@: ' "$out")" "again 1 1"
	nothing_left "Ctrl-C while detaching"
}

# A program with two functions, which runs when it is told to, and its like without types.
test_programs() {
	has_fentry || { skip "BPF programs" "this kernel takes no fentry"; return; }
	cc -o "$dir/loader" tests/vm/program.c -lbpf || { bad "BPF programs" "tests/vm/program.c"; return; }
	"$dir/loader" >"$dir/ready" &
	loader=$!
	while ! grep -q ready "$dir/ready"; do sleep 0.1; done
	start -e 'fentry:bpf:lab_sum { @in[args.a, args.b, arg1] = count(); } fexit:bpf:*:lab_sum { @out[retval, args.b] = count(); }
		fentry:bpf:lab_f* { @len[args.skb->len, probetype] = count(); } fexit:bpf:lab_filter { @[retval] = count(); @f[func] = count(); }'
	kill -USR1 $loader
	while ! grep -q done "$dir/ready"; do sleep 0.1; done
	stop
	equal "fentry:bpf:FUNCTION" "$(value '@in[5, 7, 7]')" 100
	equal "fexit:bpf:*:FUNCTION" "$(value '@out[12, 7]')" 100
	equal "a program's context is the kernel's" "$(value '@len[50, fentry]')" 100
	equal "fexit of a program" "$(value '@[12]')" 100
	equal "func of a program" "$(sed -n 's/^@f.bpf_prog_[0-9a-f]*_\(.*\)/\1/p' "$out")" "lab_filter]: 100"
	equal "-lv of a program" "$("$XBT" -lv 'fexit:bpf:lab_sum' | tail -n 3 | tr -s '\n ' ' ')" " int a long int b int retval "
	equal "-l fentry:bpf:*" "$("$XBT" -l 'fentry:bpf:*' | sed 's/[0-9][0-9]*/ID/' | sort | tr '\n' ' ')" "fentry:bpf:ID:lab_filter fentry:bpf:ID:lab_sum "
	"$XBT" -e 'fentry:bpf:lab_untyped { }' >"$out" 2>"$err"
	grep -q 'this BPF program has no BTF' "$err" && ok "a program without BTF" || bad "a program without BTF" "$(cat "$err")"
	"$XBT" -e 'fentry:bpf:lab_smu { }' >"$out" 2>"$err"
	grep -q "did you mean 'fentry:bpf:lab_sum'" "$err" && ok "a program that isn't there" || bad "a program that isn't there" "$(cat "$err")"
	kill $loader
	wait $loader 2>/dev/null
}

# Entry and return of the same functions by one link, where the kernel has such; what can't be is parted.
test_session() {
	case $(kernel_line) in 5.* | 6.? | 6.1[0-3]) links=0 ;; *) links=3 ;; esac
	start -v -e 'kretprobe:vfs_read / comm == "dd" / { @back[probe, func] = count(); @sum = sum(retval); }
		kprobe:vfs_read / comm == "dd" / { @to[probe, func] = count(); @size = sum(arg2); @s[tid] = nsecs; @l[args.count == 7] = count(); }
		kprobe:vfs_wr* / comm == "dd" / { @many[probe, func] = count(); } kretprobe:vfs_wr* / comm == "dd" / { @many[probe, func] = count(); }
		kprobe:asm_exc_page_fault, kprobe:vfs_fsync { } kretprobe:asm_exc_page_fault, kretprobe:vfs_fsync { }'
	reads
	stop
	equal "kprobe.session: links" "$(grep -c 'kprobe.session' "$err")" $links
	calls=$(value '@to[kprobe:vfs_read, vfs_read]')
	[ "$calls" -ge 500 ] && ok "kprobe.session: entries" || bad "kprobe.session: entries" "$(cat "$out" "$err")"
	equal "kprobe.session: returns" "$(value '@back[kretprobe:vfs_read, vfs_read]')" "$calls"
	equal "kprobe.session: arguments" "$(value '@l[true]')" 500
	[ "$(value '@many[kprobe:vfs_write, vfs_write]')" -ge 500 ] && equal "kprobe.session: wildcards" "$(value '@many[kretprobe:vfs_write, vfs_write]')" "$(value '@many[kprobe:vfs_write, vfs_write]')"
	equal "parted, and one left out" "$(grep -c "warning: can't attach to k.*probe:asm_exc_page_fault" "$err")" 2
	nothing_left "sessions"
}

# Of a function that many sleep in, the kernel remembers the callers of some only: what it doesn't, it
# counts, or xbt says that it can't. (The test itself may sleep once more while all are attached.)
test_missed() {
	for probes in do_nanosleep do_nanosleep,kretprobe:vfs_fsync; do
		start -e "kprobe:do_nanosleep { @e = count(); } kretprobe:$probes { @r = count(); }"
		perl -e 'for (1 .. 100) { unless (fork) { select undef, undef, undef, 0.001; sleep 1; exit } } 1 while wait > 0'
		stop
		returns=$(sed -n 's/^xbt: \([0-9]*\) returns missed: .*/\1/p' "$err")
		near "kretprobe:$probes: all calls" "$(value '@e')" 100 0 2
		case $(kernel_line) in
		5.* | 6.[0-6])
			[ "$(value '@r')" -lt 100 ] && equal "kretprobe:$probes: misses are told of" "$(grep -c '^xbt: this kernel' "$err")" 1
			;;
		*) near "kretprobe:$probes: returns and misses" $(($(value '@r') + ${returns:-0})) "$(value '@e')" 0 1 ;;
		esac
	done
	equal "nothing is told where nothing is missed" "$("$XBT" -e 'kprobe:vfs_fsync { } interval:ms:1 { exit(); }' 2>&1 >/dev/null | grep -c '^xbt:')" 0
}

# More arguments than registers: mmap's seventh of its inner function, and an offset.
test_forms() {
	start -e 'kprobe:vfs_read+0, k:vmlinux:vfs_read / comm == "dd" / { @[probe] = count(); } kprobe:vfs_read / comm == "dd" / { @k = count(); } rawtracepoint:sys_enter / comm == "dd" && args.id == 0 / { @raw = count(); } tracepoint:syscalls:sys_enter_read / comm == "dd" / { @t = count(); }'
	reads
	stop
	equal "kprobe:vfs_read+0" "$(value '@[kprobe:vfs_read+0]')" "$(value '@k')"
	equal "kprobe:vmlinux:vfs_read" "$(value '@[kprobe:vmlinux:vfs_read]')" "$(value '@k')"
	equal "rawtracepoint = tracepoint" "$(value '@raw')" "$(value '@t')"
	"$XBT" -e 'kprobe:vfs_read+1 { }' >"$out" 2>"$err"
	grep -q 'no instruction begins at offset 1' "$err" && ok "an offset within an instruction" || bad "an offset within an instruction" "$(cat "$err")"
	nothing_left "forms"
}
