# shellcheck shell=bash
# Spoilt copies of genuine data packets, towards nodes of each data path: each is dropped and counted by its cause, none
# reaches an application, none moves the peer. hostile.sh is the same for the module alone.
# on: qemu-6.12 qemu-6.12/mixed host
# timeout: 180

. /mnt/lab/src/tests/e2e/lib/pair

pair

# evil FROM TO MODE: catch one ping, send spoilt copies of it; their number is in SENT, TO's received packets in GOT
evil() {
	local from=$1 to=$2 mode=$3 file=/tmp/evil.$1.$3 before wire
	wire=$(if_of "$from" internet)
	bg "$from" "evil-$mode" sh -c "ntm-evil $wire $mode >$file"
	sleep 0.5
	before=$(received "$to")
	on "$from" ping -c 1 -W 2 "$(virtual4 "$to")"
	eventually 20 test -s "$file"
	sleep 0.2
	SENT=$(cat "$file")
	GOT=$(($(received "$to") - before))
}

# attack FROM TO
attack() {
	local from=$1 to=$2 path short replay wrong
	path="towards $(datapath_of "$to") ($to)"
	short=$(drops "$to" short) replay=$(drops "$to" replay) wrong=$(drops "$to" auth path key)

	evil "$from" "$to" flip
	at_least "$path: one bit changed in every byte" "$SENT" 100
	is "$path: each is dropped and counted" "$(($(drops "$to" auth path key) - wrong))" "$SENT"
	is "$path: only the ping itself arrives" "$GOT" 1

	evil "$from" "$to" replay
	is "$path: every replay is dropped and counted" "$(($(drops "$to" replay) - replay))" "$SENT"
	is "$path: only the ping itself arrives, again" "$GOT" 1

	evil "$from" "$to" cut
	is "$path: every short packet is dropped and counted" "$(($(drops "$to" short) - short))" "$SENT"

	evil "$from" "$to" moved
	is "$path: a forged packet from another port" "$SENT" 1
	like "$path: does not move the peer" "$(ctl "$to" status --json)" '"address": "192\.0\.2\.[12]:4330"'
	check "$path: and nothing is harmed" on "$from" ping -c 2 -i 0.2 -W 2 "$(virtual4 "$to")"
}

attack a b
attack b a
