#!/bin/bash
# The report of a benchmark: what is to hold decides its exit status.
# tap: yes
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1

DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
N=0 FAILED=0

# reports TEXT MBIT STATUS WORD: quick.sh's report, with that much through NTMobile beside 4000 plain, 500 by WireGuard and a
# ceiling of 1000
reports() {
	local got=0
	N=$((N + 1))
	printf '%s\t1\tmbit_per_s\t%s\n' plain 4000 ntmobile "$2" wireguard 500 ceiling 1000 >"$DIR/runs.tsv"
	printf 'kernel\t6.12\n' >"$DIR/settings.tsv"
	python3 scripts/bench.d/lib/report.py scripts/bench.d/quick.sh uml "$DIR" "$DIR/out.json" >"$DIR/table" 2>&1 || got=$?
	if [ "$got" = "$3" ] && grep -q "to hold >= 1.0: $4" "$DIR/table"; then
		echo "ok $N - bench-report: $1"
	else
		echo "not ok $N - bench-report: $1"
		sed 's/^/# /' "$DIR/table"
		FAILED=1
	fi
}

reports "a ratio that holds" 600 0 held
reports "one that just does" 500 0 held
reports "one that does not: exit 1" 499 1 MISSED
echo "1..$N"
exit $FAILED
