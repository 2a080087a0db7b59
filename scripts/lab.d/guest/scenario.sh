#!/bin/bash
# The scenario language: scenario.sh FILE runs FILE with it. docs/LAB.md is its description.
LAB_STATE=/mnt/state
if [ -z "${LAB_NAME:-}" ]; then
	LAB_NAME=shell LAB_OUT=/mnt/out/shell
fi
. /mnt/lab/conf
. /mnt/lab/guest/tap.sh
. /mnt/lab/guest/net.sh
. /mnt/lab/guest/proc.sh
. /mnt/lab/guest/assert.sh
. /mnt/lab/guest/ntm.sh
mkdir -p "$LAB_STATE"/{hosts,nets,links,ns,procs}
PATH=/mnt/lab/bin:$PATH

# A mistake in a scenario must not pass for a success
lab_abort() {
	local rc=$? line=$1 cmd=$2
	trap - ERR
	tap_point "not ok" "$LAB_NAME: line $line: $cmd (exit status $rc)"
	tap_diag_file "$LAB_OUT/log"
	exit 1
}

lab_die() {
	echo "$LAB_NAME: $*" >&2
	return 1
}

if [ $# -gt 0 ]; then
	LAB_SCENARIO=$1
	set -Eeuo pipefail
	trap 'lab_abort "${BASH_LINENO[${#BASH_LINENO[@]}-3]:-$LINENO}" "$BASH_COMMAND"' ERR
	cd /tmp
	# shellcheck disable=SC1090
	. "$LAB_SCENARIO"
fi
