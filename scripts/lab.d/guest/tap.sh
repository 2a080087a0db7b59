# shellcheck shell=bash
# TAP, as the guest writes it: without numbers, which scripts/lab adds.

tap_line() {
	printf '%s\n' "$*" >>"$LAB_TAP"
}

# tap_point "ok"|"not ok" TEXT
tap_point() {
	echo "$1" >>/mnt/state/points
	printf '%s - %s\n' "$1" "$2" | tee -a "$LAB_OUT/tap" >>"$LAB_TAP"
}

# Diagnostics: every line of stdin behind "# "
tap_diag() {
	tr -d '\r' | awk '{ print "#   " $0 }' | tee -a "$LAB_OUT/tap" >>"$LAB_TAP"
}

tap_diag_file() {
	tail -n "${2:-60}" "$1" | tap_diag
}
