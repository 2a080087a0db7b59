#!/bin/bash
# Every fuzz target with its corpus and some thousand inputs made of it, under ASan and UBSan, by gcc: no clang is needed.
# tap: yes
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1

OUT=$(mktemp)
trap 'rm -f "$OUT"' EXIT
N=0 FAILED=0

for source in tests/fuzz/fuzz_*.c; do
	name=$(basename "$source" .c)
	corpus=()
	[ ! -d "tests/fuzz/corpus/$name" ] || corpus=("tests/fuzz/corpus/$name")
	N=$((N + 1))
	if make -s "build/tests/replay/$name" >"$OUT" 2>&1 && "build/tests/replay/$name" 2000 "${corpus[@]}" >>"$OUT" 2>&1; then
		echo "ok $N - fuzz-replay: $name: $(tail -n 1 "$OUT")"
	else
		echo "not ok $N - fuzz-replay: $name"
		tail -n 40 "$OUT" | sed 's/^/# /'
		FAILED=1
	fi
done
echo "1..$N"
exit $FAILED
