# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
#
# Functions for the lab's test suites to source: results, the kernel's own counts
# as oracles, workloads. POSIX sh; nothing needs a compiler.
#
# Knows: tracefs. Its kprobe events (kprobe_profile) count what a kprobe saw and
#   what it missed; its hist triggers count tracepoints by any field, exactly.
# Needs: root and a mounted tracefs for the oracles (tests/vm/init mounts it), perl
#   for the single-process workload. awk and sleep for the rest.
# Leaves: what is said at each function. Variables it uses for itself start with
#   lab_. The oracles work in tracing instances of their own: lab for kprobes, with
#   its ring buffer off, as they count without recording anything; lab-hist for hist
#   triggers, with its buffer on, as they count nothing otherwise (but record nothing
#   either); lab-event for plain counts. Call lab_cleanup at the end.

# --- results -----------------------------------------------------------------------
# One line for a test, and at the end finish: a summary, and status 1 if any failed
# (or if there was no test at all).

lab_passed=0 lab_failed=0 lab_skipped=0
ok() { lab_passed=$((lab_passed + 1)); printf 'ok %s\n' "$1"; }
bad() { lab_failed=$((lab_failed + 1)); printf 'FAIL %s: %s\n' "$1" "$2"; }
skip() { lab_skipped=$((lab_skipped + 1)); printf 'skip %s: %s\n' "$1" "$2"; }

# equal NAME GOT WANTED
equal() { if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "got '$2', not '$3'"; fi; }

# near NAME GOT WANTED PERCENT [SLACK]: whole numbers that differ by no more than
# PERCENT of WANTED, plus SLACK.
near() {
	lab_difference=$(($2 - $3))
	lab_allowed=$(($3 * $4 / 100 + ${5:-0}))
	if [ ${lab_difference#-} -le $lab_allowed ]; then
		ok "$1 ($2, $3)"
	else
		bad "$1" "$2 is not within $4 %${5:+ and $5} of $3"
	fi
}

finish() {
	printf '%d passed, %d failed, %d skipped\n' "$lab_passed" "$lab_failed" "$lab_skipped"
	[ "$lab_failed" -eq 0 ] && [ $((lab_passed + lab_skipped)) -gt 0 ]
}

# --- the machine ---------------------------------------------------------------------

in_xen() { [ "$(cat /sys/hypervisor/type 2>/dev/null)" = xen ]; }

# The kernel's line, such as 6.1.
kernel_line() { uname -r | sed 's/^\([0-9]*\.[0-9]*\).*/\1/'; }

# Milliseconds since boot, to 10 ms.
uptime_ms() { awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime; }

# steal_ticks: a line "CPU TICKS" for each CPU, 100 ticks a second, from /proc/stat.
steal_ticks() { awk '/^cpu[0-9]/ { print substr($1, 4), $9 }' /proc/stat; }

# --- the kernel's own counts -----------------------------------------------------------

lab_tracefs=/sys/kernel/tracing
lab_instance=$lab_tracefs/instances/lab

# kprobe_ready FUNC: makes ready to count the calls of a kernel function. Status 1 if no
# kprobe can be had there. Several functions at once are fine.
kprobe_ready() {
	[ -d "$lab_instance" ] ||
		{ mkdir "$lab_instance" && echo 0 >"$lab_instance/tracing_on"; } || return 1
	echo "p:lab/$(lab_event "$1") $1" 2>/dev/null >>"$lab_tracefs/kprobe_events" || return 1
	lab_last_kprobe=$1
	lab_switch=$lab_instance/events/lab/$(lab_event "$1")/enable
}

# kprobe_count_start FUNC: counts from now on.
kprobe_count_start() {
	kprobe_ready "$1" && echo 1 >"$lab_switch"
}

# Event names have no dots, function names (foo.part.0) may.
lab_event() { printf 'c_%s\n' "$1" | tr -c 'A-Za-z0-9_\n' _; }

# kprobe_count_stop [FUNC]: ends the count (the last one started, if FUNC is not
# said). Sets kprobe_hits, kprobe_missed (the kernel refuses a kprobe within a
# kprobe, and counts those here) and kprobe_count, their sum.
kprobe_count_stop() {
	set -- "$(lab_event "${1:-$lab_last_kprobe}")"
	echo 0 >"$lab_instance/events/lab/$1/enable"
	# shellcheck disable=SC2046 # two numbers
	set -- "$1" $(awk -v event="$1" '$1 == event { print $2, $3 }' "$lab_tracefs/kprobe_profile")
	echo "-:lab/$1" >>"$lab_tracefs/kprobe_events"
	kprobe_hits=${2:-0} kprobe_missed=${3:-0}
	kprobe_count=$((kprobe_hits + kprobe_missed))
}

# kprobe_registers FUNC: status 0 if a kprobe can be had there. (It may still never
# fire.)
kprobe_registers() {
	kprobe_count_start "$1" && kprobe_count_stop
}

# hist_available: kernels without HIST_TRIGGERS (5.10) have no hist files.
hist_available() { [ -e "$lab_tracefs/events/sched/sched_switch/hist" ]; }

# hist_start CATEGORY:EVENT KEYS [FILTER]: counts a tracepoint by its fields, such
# as hist_start xen:xen_mc_entry op 'common_pid == 12'. Status 1 if that cannot be.
hist_start() {
	[ -d "$lab_instance-hist" ] || mkdir "$lab_instance-hist" || return 1
	lab_trigger="hist:keys=$2:size=4096${3:+ if $3}"
	lab_hist=$lab_instance-hist/events/$(printf '%s' "$1" | tr : /)
	echo "$lab_trigger" 2>/dev/null >"$lab_hist/trigger"
}

# hist_stop [FILE]: ends it, and writes a line "KEY... COUNT" for each set of keys
# to FILE (standard output if none is said; a subshell loses what comes next).
# Sets hist_hits, the sum of these counts, and hist_dropped, what found no room.
# (Not the kernel's own total, which runs on while the table is read; and a hist
# trigger that is paused first reads as empty.)
hist_stop() {
	lab_table=$(cat "$lab_hist/hist")
	echo "!$lab_trigger" >"$lab_hist/trigger"
	hist_hits=$(printf '%s\n' "$lab_table" | awk '/ hitcount:/ && /^\{/ { n += $NF } END { print n + 0 }')
	hist_dropped=$(printf '%s\n' "$lab_table" | awk '$1 == "Dropped:" { n = $2 } END { print n + 0 }')
	printf '%s\n' "$lab_table" | awk '
	/^\{ .* \} hitcount:/ {
		count = $NF
		line = $0
		sub(/^\{ */, "", line)
		sub(/ *\} hitcount:.*$/, "", line)
		n = split(line, part, /, */)
		out = ""
		for (i = 1; i <= n; i++) {
			sub(/^[^:]*: */, "", part[i])
			out = out part[i] " "
		}
		print out count
	}' >"${1:-/dev/stdout}"
}

# event_ready CATEGORY:EVENT [FILTER]: makes ready to count a tracepoint in total, on any
# kernel, from what its ring buffer says of itself. One at a time.
event_ready() {
	[ -d "$lab_instance-event" ] || mkdir "$lab_instance-event" || return 1
	lab_counted=$lab_instance-event/events/$(printf '%s' "$1" | tr : /)
	# The switch is the ring buffer's, not the event's: to switch an event is to patch the
	# kernel's text, some hundred hypercalls under Xen.
	lab_switch=$lab_instance-event/tracing_on
	echo 0 >"$lab_switch"
	echo "${2:-0}" 2>/dev/null >"$lab_counted/filter" || return 1
	echo 1 2>/dev/null >"$lab_counted/enable" || return 1
	echo >"$lab_instance-event/trace"
}

# event_count_start CATEGORY:EVENT [FILTER]: counts from now on.
event_count_start() {
	event_ready "$@" && echo 1 2>/dev/null >"$lab_switch"
}

# event_count_stop: ends it, and sets event_count and event_lost (what the buffer
# had no room for, even by overwriting).
event_count_stop() {
	echo 0 >"$lab_instance-event/tracing_on"
	echo 0 >"$lab_counted/enable"
	echo 0 >"$lab_counted/filter"
	event_count=$(cat "$lab_instance-event"/per_cpu/cpu*/stats |
		awk '$1 == "entries:" || $1 == "overrun:" { n += $2 } END { print n + 0 }')
	event_lost=$(cat "$lab_instance-event"/per_cpu/cpu*/stats |
		awk '/^(commit overrun|dropped events):/ { n += $3 } END { print n + 0 }')
}

# Nothing of the oracles is left.
lab_cleanup() {
	[ ! -d "$lab_instance-event" ] || rmdir "$lab_instance-event"
	[ ! -d "$lab_instance-hist" ] || rmdir "$lab_instance-hist"
	[ -d "$lab_instance" ] || return 0
	echo 0 >"$lab_instance/events/enable"
	grep '^[a-z]:lab/' "$lab_tracefs/kprobe_events" | sed 's/^[^:]*:\([^ ]*\).*/-:\1/' |
		while read -r lab_line; do echo "$lab_line" >>"$lab_tracefs/kprobe_events"; done
	rmdir "$lab_instance"
}

# --- the tracer ------------------------------------------------------------------------

# wait_attached FILE [SECONDS]: until the tracer that writes to FILE says that it has
# attached, which it does on a line of its own when its environment has
# BPFTRACE_NOTIFY_PROBES_ATTACHED=1. Status 1 if it does not within SECONDS (60).
wait_attached() {
	lab_tries=$((${2:-60} * 10))
	while ! grep -qx __BPFTRACE_NOTIFY_PROBES_ATTACHED "$1" 2>/dev/null; do
		[ $lab_tries -gt 0 ] || return 1
		lab_tries=$((lab_tries - 1))
		sleep 0.1
	done
}

# window OUT ERR SECONDS TRACER...: starts the tracer, and when it has attached lets the oracle
# that was made ready last count while programs are forked and executed for so many seconds;
# then ends the tracer at once. All in one process that has started before, and ends after, so
# that what the test itself does is not counted by one and missed by the other. Its status is
# the tracer's; 99 if that does not attach. With lab_switch=FILE.stat it leaves /proc/stat as it
# was at both ends in FILE.stat.1 and .0 instead; with lab_busy=N the work is N busy loops.
window() {
	perl -e '
		my ($switch, $busy, $out, $err, $seconds, @tracer) = @ARGV;
		sub set {
			my $stat = "";
			if ($switch =~ /\.stat$/) {
				open my $in, "<", "/proc/stat" or die "/proc/stat: $!\n";
				sysread $in, $stat, 65536;
			}
			open my $f, ">", $stat ? "$switch.$_[0]" : $switch or die "$switch: $!\n";
			syswrite $f, $stat || $_[0];
		}
		my $pid = fork;
		if (!$pid) {
			$ENV{__BPFTRACE_NOTIFY_PROBES_ATTACHED} = 1;
			open STDOUT, ">", $out or die "$out: $!\n";
			open STDERR, ">", $err or die "$err: $!\n";
			exec @tracer;
		}
		my $attached;
		for (1 .. 3000) {
			select undef, undef, undef, 0.02;
			open my $f, "<", $out or next;
			$attached = grep /^__BPFTRACE_NOTIFY_PROBES_ATTACHED$/, <$f>;
			last if $attached;
		}
		if ($attached) {
			set(1);
			my $end = time + $seconds;
			my @busy = map { my $child = fork; unless ($child) { 1 while 1 } $child } 1 .. $busy;
			while (time < $end) {
				select undef, undef, undef, $end - time if $busy;
				my $child = $busy ? 0 : fork;
				exec "/bin/true" unless $child || $busy;
				waitpid $child, 0 if $child;
			}
			set(0);
			kill "KILL", @busy;
		}
		kill "INT", $pid;
		waitpid $pid, 0;
		exit($attached ? $? >> 8 : 99);' "$lab_switch" "${lab_busy:-0}" "$@"
}

# --- workloads -------------------------------------------------------------------------

# workload SECONDS (to one second): forks and executes, one after the other. Sets
# workload_runs.
workload() {
	read -r lab_now lab_rest </proc/uptime
	lab_until=$((${lab_now%.*} + $1))
	workload_runs=0
	while [ "${lab_now%.*}" -lt $lab_until ]; do
		/bin/true
		workload_runs=$((workload_runs + 1))
		read -r lab_now lab_rest </proc/uptime
	done
}

# busy N SECONDS: N processes that do nothing but use a CPU. Two of them on two
# virtual CPUs that share one have time stolen from them.
busy() {
	lab_pids=
	lab_n=0
	while [ $lab_n -lt "$1" ]; do
		timeout "$2" sh -c 'while :; do :; done' &
		lab_pids="$lab_pids $!"
		lab_n=$((lab_n + 1))
	done
	# shellcheck disable=SC2086 # process numbers
	wait $lab_pids
}

# single_start COUNT: makes ready one single-threaded process, $single_pid, of the
# name "lab-single"; it does nothing until single_go, which has it map, touch,
# protect and unmap memory and fork COUNT times, waits for its end and has its
# status. What is counted by this process number between the two is the same for
# everyone who counts.
single_start() {
	lab_go=$(mktemp -u)
	mkfifo "$lab_go" || return 1
	perl -e '
		use POSIX ();
		$0 = "lab-single";
		my ($go, $count) = @ARGV;
		open my $out, ">", $go or die "lab-single: $go: $!\n";
		print $out "ready\n";
		close $out;
		open my $in, "<", $go or die "lab-single: $go: $!\n";
		<$in>;
		for (1 .. $count) {
			my $page = "x" x (1 << 20);
			undef $page;
			my $child = fork;
			die "lab-single: fork: $!\n" unless defined $child;
			# No clean-up of Perl in the child: just its end.
			POSIX::_exit(0) unless $child;
			waitpid $child, 0;
		}' "$lab_go" "$1" &
	single_pid=$!
	# Until it has started up and waits: what it did for that is nobody's count.
	read -r lab_ready <"$lab_go"
	sleep 0.2
}

single_go() {
	echo go >"$lab_go"
	rm -f "$lab_go"
	wait "$single_pid"
}
