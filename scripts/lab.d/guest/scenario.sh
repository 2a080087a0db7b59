#!/bin/bash
# The scenario language: scenario.sh FILE runs FILE with it. docs/LAB.md is its description.
LAB_STATE=/mnt/state
if [ -z "${LAB_NAME:-}" ]; then
	LAB_NAME=shell LAB_OUT=/mnt/out/shell
fi
# shellcheck source=/dev/null
. /mnt/lab/conf
# shellcheck source=scripts/lab.d/guest/tap.sh
. /mnt/lab/guest/tap.sh
# shellcheck source=scripts/lab.d/guest/net.sh
. /mnt/lab/guest/net.sh
# shellcheck source=scripts/lab.d/guest/nat.sh
. /mnt/lab/guest/nat.sh
# shellcheck source=scripts/lab.d/guest/shape.sh
. /mnt/lab/guest/shape.sh
# shellcheck source=scripts/lab.d/guest/proc.sh
. /mnt/lab/guest/proc.sh
# shellcheck source=scripts/lab.d/guest/assert.sh
. /mnt/lab/guest/assert.sh
# shellcheck source=scripts/lab.d/guest/steady.sh
. /mnt/lab/guest/steady.sh
# shellcheck source=scripts/lab.d/guest/packages.sh
. /mnt/lab/guest/packages.sh
# shellcheck source=scripts/lab.d/guest/dns.sh
. /mnt/lab/guest/dns.sh
# shellcheck source=scripts/lab.d/guest/nat64.sh
. /mnt/lab/guest/nat64.sh
# shellcheck source=scripts/lab.d/guest/ntm.sh
. /mnt/lab/guest/ntm.sh
mkdir -p "$LAB_STATE"/{hosts,nets,links,ns,procs}
PATH=/mnt/lab/bin:$PATH

# A mistake in a scenario must not pass for a success
lab_abort() {
	local rc=$?
	# In "$(...)" and the like the caller learns of it, or does not care, as in: is "none" "$(grep -c x FILE)" 0
	[ "$BASH_SUBSHELL" = 0 ] || return 0
	trap - ERR
	tap_point "not ok" "$LAB_NAME: line $(lab_line): '$1' failed (exit status $rc)"
	tap_diag_file "$LAB_OUT/log"
	exit 1
}

# The line of the scenario that is being run, whatever function of the language it is in
lab_line() {
	local i
	for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
		if [ "${BASH_SOURCE[i]}" = "${LAB_SCENARIO:-}" ]; then
			echo "${BASH_LINENO[i - 1]}"
			return
		fi
	done
	echo '?'
}

lab_die() {
	echo "$LAB_NAME: $*" >&2
	return 1
}

if [ $# -gt 0 ]; then
	LAB_SCENARIO=$1
	set -Eeuo pipefail
	trap 'lab_abort "$BASH_COMMAND"' ERR
	cd /tmp
	# shellcheck disable=SC1090
	. "$LAB_SCENARIO"
	lab_tried
fi
