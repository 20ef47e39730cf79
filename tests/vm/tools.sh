#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# tools.sh FILE.bt ...: runs bpftrace's tools, each under work that it must report. Part of
# tools, which says more; runs in a guest of the lab, or on any machine that may be disturbed.
#
# Knows: for each tool by name, what to do (work_NAME) and an extended regular expression for
#	a line that it then prints.
# Needs: $XBT, root; perl, openssl, mkfs.ext4, mkfs.xfs (xfsprogs) and setpriv for the work: a
#	tool whose work can't be done is checked and loaded, and what the work lacks is said.
# Leaves: a line for each tool: ok, part or FAIL, its name, how far it came, and the line
#	that it printed or what is missing.
cd "$(dirname "$0")/../.." || exit
. tests/vm/lib.sh
XBT=${XBT:-./xbt}
dir=$(mktemp -d)
out=$dir/out err=$dir/err
group=/sys/fs/cgroup/lab-memory

# Nothing of the work stays, on whatever machine: disks, what lies on them, their memory.
cleanup() {
	for mounted in "$dir/ext4" "$dir/xfs"; do mountpoint -q "$mounted" && umount "$mounted"; done
	[ ! -e /sys/block/md_lab ] || echo clear >/sys/block/md_lab/md/array_state
	for loop in $(cat "$dir/loops" 2>/dev/null); do
		grep -q "^$loop " /proc/swaps && swapoff "$loop"
		losetup -d "$loop"
	done
	[ ! -d $group ] || rmdir $group
	rm -rf "$dir" /dev/shm/lab-*
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# NAME WORK REGEX
table() {
	cat <<'TABLE'
bashreadline shell echo lab-word
biolatency disk ^\[[0-9A-Z]+, [0-9A-Z]+\).*\|@
biolatency-kp disk ^\[[0-9A-Z]+, [0-9A-Z]+\).*\|@
biosnoop disk  dd +[0-9]+ +[0-9]+$
biostacks disk ^@usecs\[
bitesize disk ^@\[dd\]:
capable chroot chroot .*CAP_SYS_CHROOT
cpuwalk spin ^\[?[0-9].*\|@
dcsnoop open [MR] lab-none
execsnoop exec /bin/echo lab-word
gethostlatency lookup getent .*localhost
killsnoop kill sh +(18|SIGCONT) +[0-9]+ +0$
loads rest load averages: [0-9]+\.[0-9]{3}
mdflush md (dd|md[0-9_a-z]*|kworker).* md
naptime nap perl .* 0\.200
oomkill oom OOM kill of PID [0-9]+ \("perl"\), [0-9]+ pages, loadavg: [0-9.]+ 
opensnoop open cat .*/etc/hostname
pidpersec exec PIDs/sec: @: [1-9]
runqlat exec ^\[[0-9A-Z]+(, [0-9A-Z]+\)|\]).*\|@
runqlen spin ^\[[0-9]+(, [0-9]+\)|\]).*\|@
setuids setuid setpriv .*setresuid.*65534
ssllatency ssl SSL_(read|write)
sslsnoop ssl openssl .*SSL_(read|write|do_handshake)
statsnoop stat stat .*/etc/hostname
swapin swap ^@\[perl, [0-9]+\]: [1-9]
syncsnoop sync sync .*sync
syscount exec ^@.*\]: [1-9]
tcpaccept tcp perl .*127\.0\.0\.1 .*127\.0\.0\.1 +47811
tcpconnect tcp perl .*127\.0\.0\.1 .*127\.0\.0\.1 +47811
tcpdrop drop perl .*127\.0\.0\.1:47812 .*SYN_SENT
tcplife tcp perl .*127\.0\.0\.1 +47811
tcpretrans drop 127\.0\.0\.1:47812 +SYN_SENT
tcpsynbl tcp ^@backlog\[7\]
threadsnoop thread  xz 
undump unix perl .*lab-word
vfscount open ^@\[(kprobe:)?vfs_(read|open)\]: [1-9]
vfsstat open ^@\[vfs_(read|open)\]: [1-9]
writeback writeback .*(sync|background|periodic) .*[0-9]\.[0-9]{3}
xfsdist xfs ^\[[0-9A-Z]+(, [0-9A-Z]+\)|\]).*\|@
TABLE
}

# --- the work ------------------------------------------------------------------------------
# Each does what its tools are to see; status 1, with the reason in $why, if it can't be done.

have() { command -v "$1" >/dev/null || { why="no $1 here"; return 1; }; }

# A disk of memory, whose requests pass the kernel's block layer: a loop device.
loop_of() {
	truncate -s "$2" "/dev/shm/lab-$1" && losetup -f --show "/dev/shm/lab-$1" | tee -a "$dir/loops" | grep .
}

work_rest() { :; }
work_shell() { echo 'echo lab-word' | bash --norc -i >/dev/null 2>&1; }
work_chroot() { chroot / /bin/true; }
work_exec() { for _ in 1 2 3 4 5; do /bin/echo lab-word >/dev/null; done; sleep 1; }
work_kill() { sh -c 'kill -CONT $$'; }
work_lookup() { getent ahosts localhost >/dev/null; }
# By the old system call, which the C library has left.
work_nap() { perl -e '$t = pack("qq", 0, 200_000_000); syscall(35, $t, 0)'; }
work_open() { cat /etc/hostname /etc/lab-none >/dev/null 2>&1; ls /lab-none 2>/dev/null; true; }
work_setuid() { have setpriv && setpriv --reuid 65534 --clear-groups /bin/true; }
work_spin() { timeout 1 sh -c 'while :; do :; done'; true; }
work_stat() { stat -f / >/dev/null; stat /etc/hostname >/dev/null; }
work_sync() { sync; }
work_thread() { have xz && seq 20000 | xz -T2 --block-size=20KiB >/dev/null; }
work_unix() {
	perl -MSocket -e 'socketpair(A, B, AF_UNIX, SOCK_STREAM, 0); syswrite A, "lab-word"; sysread B, $x, 99;
		socketpair(A, B, AF_UNIX, SOCK_DGRAM, 0); send A, "lab-word", 0; recv B, $x, 99, 0'
}

# One connection on the loopback, accepted from a backlog of 7.
work_tcp() {
	perl -MSocket -e '
		socket S, AF_INET, SOCK_STREAM, 0; setsockopt S, SOL_SOCKET, SO_REUSEADDR, 1;
		$a = sockaddr_in(47811, INADDR_LOOPBACK); bind S, $a or die; listen S, 7;
		if (!fork) { socket C, AF_INET, SOCK_STREAM, 0; connect C, $a; syswrite C, "x" x 4096; exit }
		accept C, S; 1 while sysread C, $x, 4096; close C; wait'
}

# A connection whose packets all get lost.
work_drop() {
	have tc && modprobe sch_netem || { why=${why:-no sch_netem}; return 1; }
	tc qdisc add dev lo root netem loss 100% || { why="netem: refused"; return 1; }
	timeout 3 perl -MSocket -e 'socket C, AF_INET, SOCK_STREAM, 0; connect C, sockaddr_in(47812, INADDR_LOOPBACK)'
	tc qdisc del dev lo root
}

work_ssl() {
	have openssl || return 1
	[ -s "$dir/key" ] || openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=lab -keyout "$dir/key" -out "$dir/cert" 2>/dev/null
	openssl s_server -accept 47813 -key "$dir/key" -cert "$dir/cert" -www >/dev/null 2>&1 &
	server=$!
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		sleep 0.5
		printf 'GET / HTTP/1.0\r\n\r\n' | timeout 10 openssl s_client -quiet -connect 127.0.0.1:47813 2>/dev/null | grep -q HTTP && break
	done
	kill $server
	wait $server
	true
}

work_disk() {
	[ "${disk:-}" ] || { modprobe loop 2>/dev/null; disk=$(loop_of disk 16M); } || { why="no loop device"; return 1; }
	dd if=/dev/zero of="$disk" bs=64k count=20 oflag=direct 2>/dev/null
	dd if="$disk" of=/dev/null bs=64k count=20 iflag=direct 2>/dev/null
}

work_writeback() {
	have mkfs.ext4 || return 1
	mkdir -p "$dir/ext4"
	mountpoint -q "$dir/ext4" || { loop=$(loop_of ext4 32M) && mkfs.ext4 -q "$loop" && mount "$loop" "$dir/ext4"; } ||
		{ why="no ext4 on a loop device"; return 1; }
	dd if=/dev/zero of="$dir/ext4/file" bs=64k count=40 2>/dev/null
	sync
	sleep 1
}

work_xfs() {
	have mkfs.xfs || return 1
	mkdir -p "$dir/xfs"
	mountpoint -q "$dir/xfs" || { loop=$(loop_of xfs 320M) && mkfs.xfs -q "$loop" && mount "$loop" "$dir/xfs"; } ||
		{ why="no xfs on a loop device"; return 1; }
	dd if=/dev/zero of="$dir/xfs/file" bs=64k count=10 conv=fsync 2>/dev/null
	cat "$dir/xfs/file" >/dev/null
}

# A mirror of two loop devices, made through sysfs: mdadm is not needed.
md_start() {
	echo md_lab >/sys/module/md_mod/parameters/new_array || return 1
	array=/sys/block/md_lab/md
	echo none >$array/metadata_version && echo raid1 >$array/level && echo 2 >$array/raid_disks || return 1
	for slot in 0 1; do
		loop=$(loop_of md$slot 16M) || return 1
		cat "/sys/block/${loop#/dev/}/dev" >$array/new_dev
		echo 8192 >"$array/dev-${loop#/dev/}/size"
		echo $slot >"$array/dev-${loop#/dev/}/slot"
	done
	echo 8192 >$array/component_size
	echo active >$array/array_state
}

work_md() {
	[ -e /sys/block/md_lab ] || md_start 2>/dev/null || { why="no array of disks"; return 1; }
	dd if=/dev/zero of=/dev/md_lab bs=4k count=1 conv=fsync 2>/dev/null
}

# limited BYTES SWAP COMMAND: in a control group with that much memory
limited() {
	echo +memory >/sys/fs/cgroup/cgroup.subtree_control && mkdir -p $group && echo "$1" >$group/memory.max &&
		echo "$2" >$group/memory.swap.max || { why="no control group for memory"; return 1; }
	shift 2
	(sh -c 'echo $$ >"$0" && exec "$@"' $group/cgroup.procs "$@") 2>/dev/null
	true
}
work_oom() { limited 16M 0 perl -e '$x = "x" x (64 << 20)'; }

work_swap() {
	have mkswap || return 1
	grep -q /dev/ /proc/swaps || { loop=$(loop_of swap 96M) && mkswap "$loop" >/dev/null && swapon "$loop"; } ||
		{ why="no swap on a loop device"; return 1; }
	limited 24M max perl -e '@x = map { "x" x 65536 } 1 .. 640; for (1, 2) { $n += length $_ ^ ord for @x } sleep 1'
}

# --- the tools --------------------------------------------------------------------------------

tell() { printf '%-4s %-15s %-20s %s\n' "$1" "$2" "$3" "$4" | sed 's/[[:space:]]*$//'; }

# The one error's text, without the place: what is missing.
missing() { sed -n 's/^[^ ].*: error: //p' "$err" | head -n 1; }

# refused TOOL STAGE: one error, or one for each of the tool's probes, is an answer.
refused() {
	errors=$(grep -c ': error: ' "$err")
	if [ "$errors" -gt 0 ] && [ "$errors" = "$(sed -n 's/: error: .*//p' "$err" | sort -u | wc -l)" ]; then
		parts=$((parts + 1))
		tell part "$1" "$2" "$(missing)"
	else
		failures=$((failures + 1))
		tell FAIL "$1" "$2" "$(tr '\n' ' ' <"$err")"
	fi
}

# seen REGEX: waits a little for it, ends the tool, and looks once more: maps print at the end
seen() {
	n=0
	until grep -Eq -e "$1" "$out" || [ $n -ge 15 ]; do sleep 0.1; n=$((n + 1)); done
	kill -INT $tracer
	wait $tracer
	status=$?
	line=$(grep -Ea -e "$1" "$out" | head -n 1)
	[ "$line" ] && [ $status = 0 ]
}

# run FILE WORK REGEX: what it printed is in $line; 1 if not seen, 2 if the work can't be done, 3 if
# probes of it are missing.
run() {
	: >"$out"
	__BPFTRACE_NOTIFY_PROBES_ATTACHED=1 "$XBT" -q "$1" >"$out" 2>"$err" &
	tracer=$!
	if ! wait_attached "$out" 60; then
		kill -INT $tracer 2>/dev/null
		wait $tracer
		line=$(cat "$err")
		return 1
	fi
	why=
	"work_$2" >"$dir/work" 2>&1 || { kill -INT $tracer; wait $tracer; return 2; }
	seen "$3" && return
	# Some tools say themselves that what is missing is to be passed over.
	BPFTRACE_MISSING_PROBES=error "$XBT" -q --dry-run "$1" >"$dir/work" 2>"$err" || return 3
	line="status $status, nothing like '$3': $(tail -n 3 "$out" | tr '\n' ' ') $(head -n 3 "$err")"
	return 1
}

tool() {
	name=$(basename "$1" .bt)
	"$XBT" --check "$1" 2>"$err" || { refused "$name" ""; return; }
	"$XBT" --dry-run -q "$1" >"$out" 2>"$err" || { refused "$name" checked; return; }
	row=$(table | grep "^$name ") || { tell part "$name" "checked loaded" "no work is known for it"; parts=$((parts + 1)); return; }
	work=${row#* }
	run "$1" "${work%% *}" "${work#* }"
	case $? in
	0) passes=$((passes + 1)); tell ok "$name" "checked loaded seen" "$line" ;;
	2) parts=$((parts + 1)); tell part "$name" "checked loaded" "not run: ${why:-$(tail -n 1 "$dir/work")}" ;;
	3) refused "$name" "checked loaded" ;;
	*) failures=$((failures + 1)); tell FAIL "$name" "checked loaded" "$line" ;;
	esac
}

# What tools look for in modules has to be there before they do.
for module in loop md-mod raid1 xfs ext4; do modprobe $module 2>/dev/null; done
passes=0 parts=0 failures=0
echo "Linux $(uname -r), $("$XBT" --version)"
for file; do tool "$file"; done
printf '%d tools seen, %d in part, %d failed\n' $passes $parts $failures
[ $failures = 0 ]
