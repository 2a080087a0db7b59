# shellcheck shell=bash
# TAP, as the guest writes it: without numbers, which scripts/lab adds.

TAP_HELD=/mnt/state/held # while it is there, results wait in it

tap_line() {
	printf '%s\n' "$*" | tap_out
}

# tap_point "ok"|"not ok" TEXT
tap_point() {
	printf '%s - %s\n' "$1" "$2" | tap_out
}

# Diagnostics: every line of stdin behind "# "
tap_diag() {
	tr -d '\r' | awk '{ print "#   " $0 }' | tap_out
}

tap_diag_file() {
	tail -n "${2:-60}" "$1" | tap_diag
}

# Lines of stdin out, and into the file where the runner looks for points
tap_out() {
	if [ -e $TAP_HELD ]; then
		cat >>$TAP_HELD
	else
		tee -a /mnt/state/points "$LAB_OUT/tap" >>"$LAB_TAP"
	fi
}

# tap_hold: until tap_release or tap_forget. The runner releases what a scenario that ends holds, and this what one that broke off did.
tap_hold() {
	tap_release
	: >$TAP_HELD
}

tap_release() {
	[ -e $TAP_HELD ] || return 0
	mv $TAP_HELD $TAP_HELD.all
	tap_out <$TAP_HELD.all
}

tap_forget() {
	rm $TAP_HELD
}

# tap_failed: the points that failed, of those that are held
tap_failed() {
	sed -n 's/^not ok - //p' $TAP_HELD
}
