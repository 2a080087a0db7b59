# shellcheck shell=bash
# Experiments that take times, on a machine that may stand still in the middle of one.
#
# What a check demands stays as it is. But a machine that stops for a second between two packets makes two seconds of one, and that says
# nothing of who sent them. So ntm-pulse runs beside such an experiment, on each processor, and tells how late it was woken at worst. In
# a virtual machine it runs inside, where a stop of the machine outside is seen as well.

STEADY_TRIES=3

# steadily MS CMD...: an experiment, with checks in it. It begins again if one of them failed while the machine stood still for more than
# MS, at most twice; what the last run says counts, whatever the machine did. CMD has to begin from whatever a run of it may leave behind.
steadily() {
	local most=$1 try late
	shift
	lab_tried
	for ((try = 1; ; try++)); do
		tap_hold
		pulse_start
		"$@"
		late=$(pulse_stop)
		if [ -z "$(tap_failed)" ] || [ "$late" -le "$most" ] || [ "$try" = $STEADY_TRIES ]; then break; fi
		steady_again "$*" "$late" "$most" $((try + 1))
	done
	[ -z "$(tap_failed)" ] || say "the machine stood still for $late ms at most in this run ($try of $STEADY_TRIES)"
	tap_release
}

# What did not hold is told, but not as a result
steady_again() {
	local failed
	failed=$(tap_failed)
	tap_forget
	say "the machine stood still for $2 ms, more than $3: '$1' begins again ($4 of $STEADY_TRIES). Did not hold:"
	tap_diag <<<"$failed"
}

pulse_start() {
	: >"$LAB_STATE/pulse" # the one before is ready, and may be what is seen until the new one has its output
	ntm-pulse >"$LAB_STATE/pulse" &
	echo $! >"$LAB_STATE/pulse.pid"
	disown 2>/dev/null || true # it may have ended already
	eventually 20 grep -q ready "$LAB_STATE/pulse" || lab_die "ntm-pulse does not start"
}

# Prints how late it was
pulse_stop() {
	kill -s TERM "$(<"$LAB_STATE/pulse.pid")"
	eventually 20 grep -q '^[0-9]' "$LAB_STATE/pulse" || lab_die "ntm-pulse does not end"
	sed -n 2p "$LAB_STATE/pulse"
}
