# shellcheck shell=bash
# Running things on hosts.

# on HOST CMD...: run a command on a host
on() {
	local host=$1
	shift
	need_host "$host"
	[ -z "$LAB_VERBOSE" ] || tap_line "# $host\$ $*"
	nsenter --net="/run/netns/$host" --mount="$LAB_STATE/ns/$host.mnt" --uts="$LAB_STATE/ns/$host.uts" "$@"
}

# bg HOST NAME CMD...: run a command in the background, under a name; a second start under a name continues its log
bg() {
	local host=$1 name=$2 base=$LAB_STATE/procs/$1.$2
	shift 2
	need_host "$host"
	! running "$host" "$name" || lab_die "bg: '$name' runs on $host already"
	mkdir -p "$LAB_OUT/$host"
	printf '%q ' "$@" >"$base.cmd"
	[ -z "$LAB_VERBOSE" ] || tap_line "# $host\$ $* &"
	nsenter --net="/run/netns/$host" --mount="$LAB_STATE/ns/$host.mnt" --uts="$LAB_STATE/ns/$host.uts" \
		"$@" </dev/null >>"$LAB_OUT/$host/$name.log" 2>&1 &
	echo $! >"$base.pid"
	disown 2>/dev/null || true # it may have ended already
}

# bg_anew HOST NAME CMD...: the same, with a new log; the one before is kept as NAME.1.log, and so on
bg_anew() {
	local log=$LAB_OUT/$1/$2 n=1
	while [ -e "$log.$n.log" ]; do n=$((n + 1)); done
	[ ! -e "$log.log" ] || mv "$log.log" "$log.$n.log"
	bg "$@"
}

pid_of() {
	[ -e "$LAB_STATE/procs/$1.$2.pid" ] || lab_die "nothing called '$2' was started on $1"
	cat "$LAB_STATE/procs/$1.$2.pid"
}

# running HOST NAME: any thread of it; the first may be dead while others still hold files and ports
running() {
	local pid tasks
	[ -e "$LAB_STATE/procs/$1.$2.pid" ] || return 1
	pid=$(<"$LAB_STATE/procs/$1.$2.pid")
	tasks=("/proc/$pid/task"/*/stat)
	[ ${#tasks[@]} -gt 1 ] || { [ -e "/proc/$pid" ] && ! grep -q '^State:.*Z' "/proc/$pid/status" 2>/dev/null; }
}

ended() {
	! running "$@"
}

# stop HOST NAME: ask it to end (SIGTERM), and wait until it has
stop() {
	send_signal "$1" "$2" TERM
	eventually 10 ended "$1" "$2" || lab_die "'$2' on $1 does not end on SIGTERM"
}

# kill9 HOST NAME
kill9() {
	send_signal "$1" "$2" KILL
	eventually 10 ended "$1" "$2" || lab_die "'$2' on $1 survives SIGKILL"
}

# send_signal HOST NAME SIGNAL
send_signal() {
	local pid
	pid=$(pid_of "$1" "$2")
	kill -s "$3" "$pid"
}

# again HOST NAME: start it again, with the same command
again() {
	local cmd
	! running "$1" "$2" || stop "$1" "$2"
	eval "cmd=($(<"$LAB_STATE/procs/$1.$2.cmd"))"
	bg "$1" "$2" "${cmd[@]}"
}

# wait_for HOST NAME [SECONDS]: until a background command ends by itself
wait_for() {
	eventually "${3:-60}" ended "$1" "$2" || lab_die "'$2' on $1 does not end within ${3:-60} s"
}

# logs HOST NAME: what a background command has written
logs() {
	cat "$LAB_OUT/$1/$2.log"
}

# logged HOST NAME REGEX: how many lines of it match
logged() {
	local log=$LAB_OUT/$1/$2.log
	[ -e "$log" ] || log=/dev/null
	grep -cE -- "$3" "$log" || true
}
logged_more() {
	[ "$(logged "$1" "$2" "$3")" -gt "$4" ]
}

# bg_ready HOST NAME REGEX CMD...: bg, and wait until the command has written a line that matches
bg_ready() {
	local host=$1 name=$2 line=$3 before
	shift 3
	before=$(logged "$host" "$name" "$line")
	bg "$host" "$name" "$@"
	eventually 10 logged_more "$host" "$name" "$line" "$before" ||
		lab_die "'$name' on $host does not get ready: $(logs "$host" "$name")"
}

# answer_of HOST NAME SIGNAL REGEX: send a signal, and print the line with which the command answers it
answer_of() {
	local before
	before=$(logged "$1" "$2" "$4")
	send_signal "$1" "$2" "$3"
	eventually 10 logged_more "$1" "$2" "$4" "$before" || lab_die "'$2' on $1 does not answer $3"
	logs "$1" "$2" | grep -E -- "$4" | tail -n 1
}

# listens HOST udp|tcp PORT
listens() {
	local flag=-Htln
	[ "$2" = tcp ] || flag=-Huln
	on "$1" ss $flag "sport = $3" | grep -q .
}

# iperf_server HOST: a new one. Between two clients iperf3 closes its socket for a moment, and refuses who comes then
iperf_server() {
	! running "$1" iperf3 || kill9 "$1" iperf3
	bg "$1" iperf3 iperf3 -s
	eventually 10 listens "$1" tcp 5201 || lab_die "iperf_server: iperf3 on $1 does not start: $(logs "$1" iperf3)"
}

# eventually SECONDS CMD...: try until it succeeds. The last try is one that begins when the time is over: one that began before, and
# in which the machine stood still, says nothing of what is true by then
eventually() {
	local began deadline
	began=$(now_ms)
	deadline=$((began + $1 * 1000))
	shift
	until "$@"; do
		[ "$began" -lt "$deadline" ] || return 1
		sleep 0.1
		began=$(now_ms)
	done
}

# now_ms: milliseconds since the guest started
now_ms() {
	local up _
	read -r up _ </proc/uptime
	echo $((10#${up/./} * 10))
}

# took CMD...: run it, print the milliseconds it took
took() {
	local t0=${EPOCHREALTIME/./} t1
	"$@" >/dev/null || { lab_die "took: '$*' failed (exit status $?)"; return; }
	t1=${EPOCHREALTIME/./}
	echo $(((t1 - t0) / 1000))
}

# capture HOST NET|IF NAME [FILTER...]: packets into NAME.pcap
capture() {
	local host=$1 dev=$2 name=$3
	shift 3
	[ ! -e "$LAB_STATE/links/$host@$dev" ] || dev=$(if_of "$host" "$dev")
	echo "$host" >"$LAB_STATE/procs/capture.$name"
	bg_ready "$host" "capture-$name" 'listening on' \
		tcpdump -Z root --immediate-mode -i "$dev" -U -s 0 -w "$(captured "$name")" "$@"
}

# capture_stop NAME: tcpdump gets the time it needs. The kernel wakes it with each packet, so that when it sleeps all is in the file
capture_stop() {
	local host
	host=$(<"$LAB_STATE/procs/capture.$1")
	sleep 0.2 # for what is under way
	eventually 10 asleep "$host" "capture-$1" || lab_die "capture_stop: tcpdump on $host cannot keep up"
	stop "$host" "capture-$1"
}

# asleep HOST NAME: it waits for something; neither runs, nor would if there were a processor
asleep() {
	[[ $(<"/proc/$(pid_of "$1" "$2")/stat") == *') S '* ]]
}

# captured NAME: the file
captured() {
	echo "$LAB_OUT/$1.pcap"
}

# packets NAME [FILTER...]: how many packets a capture has
packets() {
	local name=$1
	shift
	tcpdump -Z root -n -r "$(captured "$name")" "$@" 2>/dev/null | wc -l
}
