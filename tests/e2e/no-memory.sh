# timeout: 300
# on-long: uml-debug
# without: tun mixed: the module by itself
# Every allocation of every request fails in turn (the kernel's fault injection): each request then says why, has changed nothing,
# and leaks nothing. So does each allocation while an interface is made.

. /mnt/lab/src/tests/e2e/lib/fixed-keys

FAILSLAB=/sys/kernel/debug/failslab
mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
echo N >$FAILSLAB/ignore-gfp-wait
echo 0 >$FAILSLAB/verbose

state() {
	on a ntm-cfg dev dump | sed 's/ drop_.*//' # ports go with the ntm-cfg that set them
	on a ntm-cfg path dump ntm0 | sed 's/ tx_packets.*//'
}

# failing TEXT UNDO COMMAND...: ntm-cfg on a, with its first allocation failing, its second, and so on. A request that
# worked all the same is undone. One failure belongs to the netlink core, which has no words for it.
failing() {
	local text=$1 undo=$2 n rc out mute=0 told=0
	local before after
	shift 2
	before=$(state)
	for ((n = 1; n < 100; n++)); do
		rc=0
		out=$(on a ntm-cfg fail-nth "$n" "$@" 2>&1) || rc=$?
		[ "$rc" != 3 ] || break
		case $out in
		"error: ENOMEM: ") mute=$((mute + 1)) ;;
		"error: ENOMEM: "*) told=$((told + 1)) ;;
		*)
			# shellcheck disable=SC2086
			[ -z "$undo" ] || on a ntm-cfg $undo >/dev/null 2>&1 || true
			;;
		esac
		after=$(state)
		[ "$after" = "$before" ] || is "$text: nothing has changed by failure $n ($out)" "$after" "$before"
	done
	# shellcheck disable=SC2086
	[ -z "$undo" ] || on a ntm-cfg $undo
	at_most "$text: it has an end" "$n" 99
	at_least "$text: it was refused for want of memory, in words" "$told" 1
	at_most "$text: and at most once without" "$mute" 1
}

fixed_pair
C=$(printf 'c4%.0s' {1..32})
failing "a device is read" "" dev get ntm0
failing "a path is read" "" path get ntm0 7
on a ip link add ntm1 type ntm
failing "sockets and a zone are set" "dev set ntm1 zone" dev set ntm1 port4 4331 zone example.net
failing "a path is made" "path del ntm0 8" path set ntm0 8 create excl v4 10.9.0.8 v6 fd09::8 peer 192.0.2.8 4330 key 1 1 "$C" "$FIXED_A"
failing "a path is moved" "path set ntm0 7 peer 192.0.2.2 4330" path set ntm0 7 peer 192.0.2.3 4331
failing "a path gets a key" "" path set ntm0 7 key 2 1 "$C" "$FIXED_A" pending
check "the path still carries" on a ping -c 2 -i 0.2 -W 2 10.9.0.2

# An interface, from its request to its end
link_made() {
	on a ip -o link show ntm2 2>/dev/null | wc -l
}
refused=0
for ((n = 1; n < 1000; n++)); do
	rc=0
	on a ntm-cfg fail-nth "$n" link add ntm2 >/dev/null 2>&1 || rc=$?
	[ "$rc" != 3 ] || break
	[ "$rc" = 0 ] || refused=$((refused + 1))
	on a ip link del ntm2 2>/dev/null || true
done
at_most "an interface is made: it has an end" "$n" 999
at_least "it was refused, at each of our own allocations" "$refused" 12
is "and made at last" "$(link_made)" 1
check "and goes" on a ip link del ntm2
