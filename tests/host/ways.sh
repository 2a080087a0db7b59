#!/bin/bash
# Each scenario of tests/e2e runs three ways, in `make test` or in `make test-long`: kernel, tun and mixed (docs/LAB.md). Or a line
# "# without: WAY...: REASON" of its header names those that it cannot run by, and no others.
# tap: yes
# shellcheck disable=SC2317 # what check() runs
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1

DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
WHAT=ways
# shellcheck source=tests/host/lib/tap
. tests/host/lib/tap

header() {
	sed -nE "1,20s/^# $2: *(.*)/\1/p" "$1" | head -n 1
}

# ways_of FILE: as tests/run reads its header; without the module nothing runs by it
ways_of() {
	local targets target
	targets="$(header "$1" on) $(header "$1" on-long)"
	[ "$targets" != " " ] || targets=qemu-6.12
	for target in $targets; do
		case $target in
		*/*) echo "${target#*/}" ;;
		host) echo tun ;;
		*) [ "$(header "$1" module)" = no ] || echo kernel ;;
		esac
	done
}

# wrong FILE: a line for each thing that is
wrong() {
	local ways without way
	ways=$(ways_of "$1")
	without=$(header "$1" without)
	[[ -z $without || $without =~ ^[a-z\ ]+:\ .+ ]] || echo "no reason in 'without: $without'"
	for way in kernel tun mixed; do
		if [[ $ways = *$way* ]]; then
			[[ ${without%%:*} != *$way* ]] || echo "runs by $way, and says that it does not"
		else
			[[ ${without%%:*} = *$way* ]] || echo "never runs by $way, and does not say why"
		fi
	done
}

nothing_wrong() {
	! wrong "$1" | grep .
}

for file in tests/e2e/*.sh; do
	check "$file" nothing_wrong "$file"
done
echo "1..$N"
exit $FAILED
