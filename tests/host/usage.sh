#!/bin/bash
# What the four programs have in common: options that fit, versions, help and man pages that tell of all options, exit codes.
# tap: yes
# shellcheck disable=SC2317 # what check() runs
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
make -s userspace || exit 1

DIR=$(mktemp -d)
WHAT=usage
trap 'rm -rf "$DIR"' EXIT
# shellcheck source=tests/host/lib/tap
. tests/host/lib/tap

# ends STATUS STDOUT STDERR CMD...: with this status; both outputs match, in an empty one nothing does
ends() {
	local want=$1 out=$2 err=$3 got=0
	shift 3
	"$@" >"$DIR/out" 2>"$DIR/err" </dev/null || got=$?
	[ "$got" = "$want" ] || echo "exit status $got, not $want"
	cat "$DIR/out" "$DIR/err"
	[ "$got" = "$want" ] && matches "$DIR/out" "$out" && matches "$DIR/err" "$err"
}
matches() {
	if [ -n "$2" ]; then
		grep -qE -- "$2" "$1"
	else
		[ ! -s "$1" ]
	fi
}
full() {
	"$@" >/dev/full
}

# tells FILE OPTION...: it has each of them, as a word
tells() {
	local file=$1 option rc=0
	shift
	for option in "$@"; do
		grep -qE -- "(^|[^a-z-])$option([^a-z-]|\$)" "$file" || { echo "nothing of $option"; rc=1; }
	done
	return "$rc"
}

VERSION=$(sed -nE 's/^#define NTM_VERSION "(.*)"$/\1/p' include/ntmobile/version.h)
check "there is a version" test -n "$VERSION"
for entry in ntmd:node:8 ntm-dc:dc:8 ntm-rs:rs:8 ntmctl:ctl:1; do
	IFS=: read -r name dir section <<<"$entry"
	program=build/bin/$name
	check "$name --version" ends 0 "^$name $VERSION\$" "" "$program" --version
	check "$name -V" ends 0 "^$name $VERSION\$" "" "$program" -V
	check "$name --help, on standard output" ends 0 "^usage: $name " "" "$program" --help
	check "$name -h" ends 0 "^usage: $name " "" "$program" -h
	check "$name: a wrong option, with nothing on standard output" ends 2 "" "$name" "$program" --colour
	mapfile -t options < <(grep -oE '\{ "[a-z-]+", (no|required)_argument' "ntmd/$dir/main.c" | sed -E 's/.*"(.*)".*/--\1/' | sort -u)
	"$program" --help >"$DIR/help"
	sed 's/\\-/-/g; s/\\f[A-Z]//g' "docs/$name.$section" >"$DIR/page"
	check "$name has options" test "${#options[@]}" -gt 3
	check "$name --help tells of ${options[*]}" tells "$DIR/help" "${options[@]}"
	check "so does its man page" tells "$DIR/page" "${options[@]}"
done

printf '%s\n' '[dc]' 'zone = example.net' 'pool4 = 100.64.0.0/16' "state = $DIR/state" "control = $DIR/nobody.sock" \
	'advertise = 192.0.2.1' >"$DIR/dc.conf"
ctl() {
	build/bin/ntmctl --socket "$DIR/nobody.sock" "$@"
}
check "ntmctl without ntmd" ends 3 "" "not running" ctl
for verb in status "join STRING" "ping NAME" "forget NAME" netcheck; do
	# shellcheck disable=SC2086 # a verb and its argument
	check "ntmctl $verb without ntmd" ends 3 "" "not running" ctl $verb
done
check "ntmctl: no such verb" ends 2 "" "unknown verb" ctl dance
for words in "ping" "ping a b" "join" "join a b" "forget" "status a" "netcheck a" "ping a -c 0" "ping a -c x" "ping a -c -1" \
	"ping a --json" "join a --drops" "forget a --lifetime" "status --lifetime" "status -c 3" "netcheck --drops"; do
	# shellcheck disable=SC2086 # words
	check "ntmctl $words: wrong usage" ends 2 "" "ntmctl help" ctl $words
done
for verb in join ping forget; do
	check "ntmctl $verb of bytes that are no text" ends 2 "" "not UTF-8" ctl $verb $'\xff'
done
check "ntm-rs join of bytes that are no text" ends 2 "" "not UTF-8" build/bin/ntm-rs join $'\xff'
for verb in invite revoke forget; do
	check "ntm-dc $verb of bytes that are no text" ends 2 "" "not UTF-8" build/bin/ntm-dc -c "$DIR/dc.conf" $verb $'\xff'
done
for program in ntmctl ntm-dc ntm-rs; do
	check "$program: output that cannot be written is an error" ends 1 "" "standard output" full "build/bin/$program" help
done
for words in "" "dance" "serve a" "join" "leave" "join a b" "status a" "drain a" "join a --json" "serve --drops"; do
	# shellcheck disable=SC2086 # words
	check "ntm-rs $words: wrong usage" ends 2 "" "ntm-rs help" build/bin/ntm-rs $words
done
for words in "" "dance" "serve a" "invite" "invite a b" "invite --batch f a" "nodes a" "revoke" "revoke a b" "nodes --batch f" \
	"revoke a --json" "nodes --relay"; do
	# shellcheck disable=SC2086 # words
	check "ntm-dc $words: wrong usage" ends 2 "" "ntm-dc help" build/bin/ntm-dc $words
done
echo "1..$N"
exit $FAILED
