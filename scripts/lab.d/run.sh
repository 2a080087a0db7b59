# shellcheck shell=bash
# scripts/lab run: stages the scenarios, boots guests until all have run, prints TAP. Sourced on the host.

run_usage() {
	usage >&2
	exit 2
}

# shellcheck disable=SC2034 # some of these are for qemu.sh and uml.sh
parse_run() {
	LAB_TARGET=qemu-6.12 LAB_DATAPATH='' LAB_KEEP='' LAB_VERBOSE='' LAB_KUNIT=${LAB_KUNIT:-}
	LAB_SMP=2 LAB_MEM=1024 LAB_QEMU_ARGS='' LAB_ENV=() LAB_FILES=()
	while [ $# -gt 0 ]; do
		case $1 in
		--on | --datapath | --env | --qemu-args | --smp | --mem) [ $# -gt 1 ] || run_usage ;;&
		--on) LAB_TARGET=$2 && shift ;;
		--datapath) LAB_DATAPATH=$2 && shift ;;
		--env) LAB_ENV+=("$2") && shift ;;
		--qemu-args) LAB_QEMU_ARGS=$2 && shift ;;
		--smp) LAB_SMP=$2 && shift ;;
		--mem) LAB_MEM=$2 && shift ;;
		--kunit) LAB_KUNIT=1 ;;
		--keep) LAB_KEEP=1 ;;
		-v) LAB_VERBOSE=1 ;;
		-*) run_usage ;;
		*) LAB_FILES+=("$1") ;;
		esac
		shift
	done
	check_target "$LAB_TARGET"
	check_datapath
	[ ${#LAB_FILES[@]} -gt 0 ] || run_usage
}

check_datapath() {
	if [ "$LAB_TARGET" = host ]; then
		LAB_DATAPATH=${LAB_DATAPATH:-tun}
		[ "$LAB_DATAPATH" = tun ] || die "target host takes no module: it has the datapath tun only"
	fi
	LAB_DATAPATH=${LAB_DATAPATH:-kernel}
	[[ " kernel tun mixed " = *" $LAB_DATAPATH "* ]] || die "no datapath '$LAB_DATAPATH' (there are: kernel tun mixed)"
}

# A header line of a scenario: "# NAME: VALUE"
header() {
	sed -nE "1,20s/^# $2: *(.*)/\1/p" "$1" | head -n 1
}

stage_scenario() {
	local file=$1 in=$2 abs rel
	[ -r "$file" ] || die "cannot read scenario $file"
	abs=$(readlink -f "$file")
	rel=${abs#"$LAB_ROOT"/}
	if [ "$rel" = "$abs" ]; then
		rel=extra/$(basename "$abs")
		install -D -m 644 "$abs" "$in/src/$rel"
	fi
	stage_packages "$in" "$abs"
	echo "$(scenario_timeout "$abs") $rel" >>"$in/list"
}

scenario_timeout() {
	local t=
	[ -z "${TEST_LONG:-}" ] || t=$(header "$1" timeout-long)
	[ -n "$t" ] || t=$(header "$1" timeout)
	echo "${t:-180}"
}

# What the guest gets: the scenarios, the language, our programs, the module
stage() {
	local run=$1 in=$1/in/mnt/lab part file pair ko
	rm -rf "$run"
	mkdir -p "$in/src" "$in/bin" "$run/out"
	cp -r "$LAB_LIB/guest" "$in/guest"
	for part in tests scripts; do
		# 24: a file has vanished in the meantime
		[ ! -d "$LAB_ROOT/$part" ] || rsync -a --exclude lab.d --exclude fuzz "$LAB_ROOT/$part" "$in/src/" || [ $? = 24 ]
	done
	for file in "$LAB_BUILD"/bin/* "$LAB_BUILD"/tests/tools/*; do
		[ ! -x "$file" ] || cp "$file" "$in/bin/"
	done
	for file in "$LAB_BUILD"/tests/tools/*; do
		[ ! -x "$file" ] || [ -d "$file" ] || cp "$file" "$in/bin/"
	done
	ko=$(module_file "$LAB_TARGET")
	[ -z "$ko" ] || strip --strip-debug -o "$in/ntmobile.ko" "$ko"
	{
		printf '%s=%q\n' LAB_TARGET "$LAB_TARGET" LAB_DATAPATH "$LAB_DATAPATH" LAB_KEEP "$LAB_KEEP" LAB_VERBOSE "$LAB_VERBOSE"
		for pair in "${LAB_ENV[@]}"; do
			printf 'export %s=%q\n' "${pair%%=*}" "${pair#*=}"
		done
	} >"$in/conf"
}

# boot_once RUN FILE...: run scenarios in one guest until it ends
boot_once() {
	local run=$1 total=60 file t
	shift
	stage "$run"
	: >"$run/in/mnt/lab/list"
	for file in "$@"; do
		stage_scenario "$file" "$run/in/mnt/lab"
		t=$(scenario_timeout "$file")
		total=$((total + t + 20))
	done
	"$(target_kind "$LAB_TARGET")_stage" "$run/in"
	: >"$run/tap"
	: >"$run/console"
	boot_and_follow "$run" "$total"
	"$(target_kind "$LAB_TARGET")_collect" "$run"
}

boot_and_follow() {
	local run=$1 total=$2 kind
	kind=$(target_kind "$LAB_TARGET")
	if [ -n "$LAB_KEEP" ]; then
		{ tail -n +1 -s 0.1 -f "$run/tap" & } 2>/dev/null
		LAB_TAIL=$!
		("${kind}_boot" "$LAB_TARGET" "$run") || true
		kill "$LAB_TAIL" 2>/dev/null || true
		return
	fi
	"${kind}_boot" "$LAB_TARGET" "$run" </dev/null >"$run/vm.log" 2>&1 &
	LAB_VM=$!
	watchdog "$LAB_VM" "$total" "$run" &
	LAB_DOG=$!
	switch_off "$LAB_VM" "$run" &
	LAB_OFF=$!
	[ -z "$LAB_VERBOSE" ] || { tail -n +1 -s 0.1 -f --pid="$LAB_VM" "$run/console" >&2 & }
	# In the background, so that a signal to this shell is acted on at once
	tail -n +1 -s 0.1 -f --pid="$LAB_VM" "$run/tap" | number &
	wait $! || true
	wait "$LAB_VM" 2>/dev/null || true
	kill "$LAB_DOG" "$LAB_OFF" 2>/dev/null || true
	wait "$LAB_DOG" "$LAB_OFF" 2>/dev/null || true
	LAB_VM='' LAB_DOG='' LAB_OFF=''
}

# Ends the guest when its time is over; ends itself soon after the guest, also when this shell is no more
watchdog() {
	local vm=$1 total=$2 run=$3
	! timeout "$total" tail -s 1 -f --pid="$vm" /dev/null || return 0
	touch "$run/timeout"
	end_vm "$vm"
}

# A guest that has said its last word has half a minute for its results and its end: one that slept was seen to print "Power down", and
# to stay. Ends itself as the watchdog does.
switch_off() {
	local vm=$1 run=$2
	grep -q '^# lab: end' < <(tail -n +1 -s 0.5 -f --pid="$vm" "$run/tap") || return 0
	timeout 30 tail -s 1 -f --pid="$vm" /dev/null || end_vm "$vm"
}

# A guest of target host is ended like any first process: by SIGKILL
end_vm() {
	local signal=TERM
	[ "$LAB_TARGET" != host ] || signal=KILL
	kill -s "$signal" "$1" 2>/dev/null || true
}

# Points come from the guests without numbers, because there may be several guests
number() {
	local line n
	n=$(cat "$LAB_TMP/count")
	while IFS= read -r line; do
		case $line in
		"ok - "*) n=$((n + 1)) && echo "ok $n ${line#ok }" ;;
		"not ok - "*) n=$((n + 1)) && echo "not ok $n ${line#not ok }" && touch "$LAB_TMP/failed" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done
	[ ! -d "$LAB_TMP" ] || echo "$n" >"$LAB_TMP/count"
}

# The scenario during which the guest ended, if it did not end by itself
unfinished() {
	local run=$1
	! grep -q '^# lab: end' "$run/tap" || return 0
	sed -n 's/^# scenario: //p' "$run/tap" | tail -n 1
}

report_death() {
	local run=$1 what=$2 why="the guest ended in the middle of ${2:-its start}"
	[ ! -e "$run/timeout" ] || why="the guest took too long in ${what:-its start}"
	{
		echo "not ok - $why"
		tail -n 60 "$run/console" "$run/vm.log" 2>/dev/null | sed 's/\r$//; s/^/# /'
	} | number
}

# Keep each scenario's files under build/lab/TARGET/NAME, where they are easy to find. Another run may have one of that name, too.
keep_results() {
	local run=$1 dest=$LAB_BUILD/lab/$LAB_TARGET
	mkdir -p "$dest"
	(
		flock 9
		move_results "$run" "$dest"
	) 9>"$dest/.lock"
}

move_results() {
	local run=$1 dest=$2 dir
	for dir in "$run"/out/*/; do
		[ -d "$dir" ] || continue
		rm -rf "${dest:?}/$(basename "$dir")"
		mv "$dir" "$dest/"
	done
	cp "$run/console" "$dest/console.log"
	mkdir -p "$dest/last" && cp "$run/tap" "$dest/last/"
}

finish() {
	trap - EXIT INT TERM
	[ -z "${LAB_VM:-}" ] || end_vm "$LAB_VM"
	[ -z "${LAB_DOG:-}" ] || kill "$LAB_DOG" "$LAB_OFF" 2>/dev/null || true
	rm -rf "$LAB_TMP"
}

# No more of QEMU's machines at once on this machine than it has processors: with more, none keeps its time
take_slot() {
	local n fd slots=${LAB_GUESTS:-$(nproc)} waiting=''
	mkdir -p "$LAB_CACHE/lock"
	while :; do
		for ((n = 0; n < slots; n++)); do
			exec {fd}>"$LAB_CACHE/lock/guest-$n"
			! flock -n "$fd" || return 0
			exec {fd}>&-
		done
		[ -n "$waiting" ] || note "waiting for one of $slots guests in QEMU on this machine to end"
		waiting=1
		sleep 0.5
	done
}

# QEMU without KVM may run code that the kernel is just changing as it was a moment before (two processors, one of which writes
# what the other reads): a breakpoint that was there for the change, and that nobody knows by then. No scenario can do
# anything about it.
stale_code() {
	grep -q 'Oops: int3: 0000' "$1/console"
}

run_all() {
	local left=("$@") begun dead again=none
	echo "TAP version 13"
	while [ ${#left[@]} -gt 0 ]; do
		boot_once "$LAB_RUN" "${left[@]}"
		keep_results "$LAB_RUN"
		[ -z "$LAB_KEEP" ] || return 0
		begun=$(grep -c '^# scenario: ' "$LAB_RUN/tap" || true)
		if grep -q '^# lab: end' "$LAB_RUN/tap"; then
			[ "$begun" = ${#left[@]} ] || echo "not ok - only $begun of ${#left[@]} scenarios began" | number
			break
		fi
		dead=$(unfinished "$LAB_RUN")
		if [ "$again" != "$dead" ] && stale_code "$LAB_RUN"; then
			echo "# the guest stumbled over QEMU in ${dead:-its start} (int3), which begins again in another one"
			again=$dead
			[ "$begun" = 0 ] || left=("${left[@]:begun - 1}")
			continue
		fi
		report_death "$LAB_RUN" "$dead"
		[ "$begun" -gt 0 ] || break
		left=("${left[@]:begun}")
	done
	echo "1..$(cat "$LAB_TMP/count")"
}

# Scenarios with the header "# module: no" do without ours
need_module() {
	local file
	[ "$LAB_TARGET" != host ] || return 1
	for file in "$@"; do
		[ "$(header "$file" module)" = no ] || return 0
	done
	return 1
}

lab_run() {
	parse_run "$@"
	lab_prepare "$LAB_TARGET"
	! need_module "${LAB_FILES[@]}" || lab_module "$LAB_TARGET" >/dev/null
	mkdir -p "$LAB_BUILD/lab"
	LAB_TMP=$(mktemp -d "$LAB_BUILD/lab/.run-XXXXXX")
	LAB_RUN=$LAB_TMP/run
	echo 0 >"$LAB_TMP/count"
	trap finish EXIT
	trap 'exit 130' INT TERM
	[ -n "$LAB_KEEP" ] || [[ $LAB_TARGET != qemu* ]] || take_slot
	run_all "${LAB_FILES[@]}"
	[ ! -e "$LAB_TMP/failed" ]
}
