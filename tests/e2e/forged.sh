# shellcheck shell=bash
# Spoilt copies of genuine data packets, towards nodes of each data path: each is dropped and counted by its cause, none is
# answered, none reaches an application, none moves the peer. hostile.sh is the same for the module alone.
# on: uml/mixed host
# on-long: qemu-6.12 qemu-6.12/mixed
# timeout: 180

. /mnt/lab/src/tests/e2e/lib/pair
. /mnt/lab/src/tests/e2e/lib/evil

pair

# unanswered TO NAME: begins to record what it sends of data and ICMP. What ntmd asks on its own account is neither
unanswered() {
	local to=192.0.2.1
	[ "$1" = a ] || to=192.0.2.2
	capture "$1" internet "answers-$2" "src host $to and (icmp or (udp and udp[8] & 0x80 != 0))"
}

# evil FROM TO MODE CAUSE...: catch one ping, send spoilt copies of it; their number is in SENT, of those that TO has dropped for
# these causes in DROPPED, of its received packets in GOT, and of those it has sent since, but for its answer to the ping, in ANSWERS
evil() {
	local from=$1 to=$2 mode=$3 before dropped
	shift 3
	dropped=$(drops "$to" "$@")
	unanswered "$to" "$from-$mode"
	evil_start "$from" internet "$mode"
	before=$(received "$to")
	on "$from" ping -c 1 -W 2 "$(virtual4 "$to")"
	SENT=$(evil_sent "$from")
	eventually 5 eval "[ \$(drops $to $*) -ge $((dropped + SENT)) ]" || true
	capture_stop "answers-$from-$mode"
	DROPPED=$(($(drops "$to" "$@") - dropped))
	ANSWERS=$(($(packets "answers-$from-$mode") - 1))
	GOT=$(($(received "$to") - before))
}

# attack FROM TO
attack() {
	local from=$1 to=$2 path
	path="towards $(datapath_of "$to") ($to)"

	evil "$from" "$to" flip auth path key
	at_least "$path: one bit changed in every byte" "$SENT" 100
	is "$path: each is dropped and counted" "$DROPPED" "$SENT"
	is "$path: only the ping itself arrives" "$GOT" 1
	is "$path: nothing of it is answered" "$ANSWERS" 0

	evil "$from" "$to" replay replay
	is "$path: every replay is dropped and counted" "$DROPPED" "$SENT"
	is "$path: only the ping itself arrives, again" "$GOT" 1
	is "$path: no replay is answered" "$ANSWERS" 0

	evil "$from" "$to" cut short
	is "$path: every short packet is dropped and counted" "$DROPPED" "$SENT"
	is "$path: no short packet is answered" "$ANSWERS" 0

	evil "$from" "$to" moved auth
	is "$path: a forged packet from another port" "$SENT" 1
	is "$path: is dropped and counted" "$DROPPED" 1
	is "$path: is not answered" "$ANSWERS" 0
	like "$path: does not move the peer" "$(ctl "$to" status --json)" '"address": "192\.0\.2\.[12]:4330"'
	check "$path: and nothing is harmed" on "$from" ping -c 2 -i 0.2 -W 2 "$(virtual4 "$to")"
}

# spoof FROM TO ADDRESS ADDRESS6: inside, from addresses that are not its own; and data of no path
spoof() {
	local from=$1 to=$2 to4 to6 own4=192.0.2.1 path sources arrived wrong before
	path="towards $(datapath_of "$to") ($to)"
	[ "$from" = a ] || own4=192.0.2.2
	to4=$(virtual4 "$to") to6=$(virtual6 "$to")
	sources=$(drops "$to" source) wrong=$(drops "$to" path) arrived=spoofed-$from before=$(received "$to")
	on "$from" ip addr add "$3/32" dev ntm0
	on "$from" ip addr add "$4/128" dev ntm0 nodad
	capture "$to" ntm0 "$arrived" icmp or icmp6
	unanswered "$to" "$from-spoof"
	on "$from" ping -c 5 -i 0.1 -W 1 -I "$3" "$to4" || true
	on "$from" ping -c 5 -i 0.1 -W 1 -I "$4" "$to6" || true
	on "$from" ntm-evil lo forge "$own4" 4330 "$([ "$to" = a ] && echo 192.0.2.1 || echo 192.0.2.2)" 99 100 50 64
	eventually 5 eval "[ \$(drops $to path) -ge $((wrong + 50)) ]"
	capture_stop "answers-$from-spoof"
	capture_stop "$arrived"
	is "$path: a spoofed inner source is dropped and counted" "$(($(drops "$to" source) - sources))" 10
	is "$path: does not arrive" "$(packets "$arrived") $(($(received "$to") - before))" "0 0"
	is "$path: so are packets of an unknown Path ID" "$(($(drops "$to" path) - wrong))" 50
	is "$path: neither is answered" "$(packets "answers-$from-spoof")" 0
	on "$from" ip addr del "$3/32" dev ntm0
	on "$from" ip addr del "$4/128" dev ntm0
	check "$path: and nothing is harmed by it" on "$from" ping -c 2 -i 0.2 -W 2 "$to4"
}

lines=$(($(logs a ntmd | wc -l) + $(logs b ntmd | wc -l)))
attack a b
attack b a
spoof a b 100.64.0.77 fd00:4e54::77
spoof b a 100.64.0.77 fd00:4e54::77
at_most "hardly a word in the logs of all that" $(($(logs a ntmd | wc -l) + $(logs b ntmd | wc -l) - lines)) 8
