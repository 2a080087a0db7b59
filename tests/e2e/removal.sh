# on: uml
# on-long: qemu-6.12 qemu-6.1 uml-debug
# without: tun mixed: the module by itself
# timeout: 900
# timeout-long: 3600
# The interface, the namespace or the module goes while iperf3 runs at full speed, over and over. The lab itself fails
# a scenario whose kernel log shows a warning, a leak or a device that waits for its references.
#
#   ra 192.0.2.1 ---- veth ---- 192.0.2.2 rb
#
# rb also relays, what ra sends from its port 5000 to its port 5001.

# 100 rounds in make test-long; in make test 40 in user-mode Linux, which runs at native speed, and 12 on an emulated machine. Or
# as told: scripts/lab run --env ROUNDS=N FILE.
if [ -n "${TEST_LONG:-}" ]; then
	ROUNDS=${ROUNDS:-100}
elif grep -q 'User Mode Linux' /proc/cpuinfo; then
	ROUNDS=${ROUNDS:-40}
else
	ROUNDS=${ROUNDS:-12}
fi
A=$(printf 'a1%.0s' {1..32})
B=$(printf 'b2%.0s' {1..32})
PIDS=()

# end NAME SELF ADDRESS PEER TX RX: one end of the tunnel
end() {
	local ns=$1 self=$2 peer=$3 tx=$4 rx=$5
	ip -n "$ns" link add ntm0 type ntm
	ip -n "$ns" addr add "10.9.0.$self/24" dev ntm0
	ip -n "$ns" link set ntm0 up
	ip netns exec "$ns" ntm-cfg -b - >"/tmp/own.$ns" 2>&1 <<-CFG
		dev set ntm0 port4 4330 zone example.net
		path set ntm0 7 create v4 10.9.0.$peer peer 192.0.2.$peer 4330 key 1 1 $tx $rx
		path many ntm0 100 20 10.9.1.0
	CFG
	PIDS+=("$(tail -n 1 "/tmp/own.$ns")")
}

setup() {
	ip netns add ra
	ip netns add rb
	ip -n ra link add eth0 type veth peer name eth0 netns rb
	ip -n ra addr add 192.0.2.1/24 dev eth0
	ip -n rb addr add 192.0.2.2/24 dev eth0
	for ns in ra rb; do
		ip -n $ns link set eth0 up
		ip -n $ns link set lo up
	done
	end ra 1 2 "$A" "$B"
	end rb 2 1 "$B" "$A"
	ip netns exec rb ntm-cfg relay set ntm0 9 end0 192.0.2.1 5000 end1 192.0.2.1 5001
	ip netns exec rb ntm-cfg relay many ntm0 1000 20 192.0.2.1 5000 192.0.2.1 5001
	ip netns exec rb iperf3 -s >/dev/null 2>&1 &
	PIDS+=($!)
	until ip netns exec rb ss -Hltn sport = 5201 | grep -q .; do :; done
	# One TCP flow each way, and packets that miss.
	ip netns exec ra iperf3 -c 10.9.0.2 -t 60 --bidir >/dev/null 2>&1 &
	PIDS+=($!)
	ip netns exec ra ping -i 0.002 10.9.0.99 >/dev/null 2>&1 &
	PIDS+=($!)
	ip netns exec ra ntm-evil lo forge 192.0.2.1 5000 192.0.2.2 9 1000 1000000000 64 >/dev/null 2>&1 &
	PIDS+=($!)
	for _ in {1..100}; do
		[ "$(cat_rx)" -lt 1000000 ] || [ "$(relayed)" -lt 100 ] || return 0
		sleep 0.05
	done
	return 1
}

cat_rx() {
	ip netns exec rb ntm-cfg path get ntm0 7 | sed 's/.*rx_bytes=\([0-9]*\).*/\1/'
}

relayed() {
	ip netns exec rb ntm-cfg relay get ntm0 9 | sed 's/.* packets0=\([0-9]*\) .*/\1/'
}

teardown() {
	kill -9 "${PIDS[@]}" 2>/dev/null || true
	wait "${PIDS[@]}" 2>/dev/null || true
	PIDS=()
	ip netns del ra 2>/dev/null || true
	ip netns del rb 2>/dev/null || true
}

remove() {
	case $1 in
	0) ip -n ra link del ntm0 ;;
	1) ip -n rb link del ntm0 ;;
	2)
		# shellcheck disable=SC2046
		kill -9 $(ip netns pids ra)
		ip netns del ra
		;;
	3)
		rmmod ntmobile
		load_module
		;;
	4) ip -n ra link del eth0 ;;
	5)
		# shellcheck disable=SC2046
		kill -9 $(ip netns pids rb)
		ip netns del rb
		;;
	esac
}

# keys_held: how many somebody holds
keys_held() {
	awk -F' *: ' '$1 == "name" { ours = $2 == "rfc7539(chacha20,poly1305)" } ours && $1 == "refcnt" { held += $2 - 1 }
		END { print held + 0 }' /proc/crypto
}

load_module
done=0
for ((round = 0; round < ROUNDS; round++)); do
	setup
	[ "$round" != 0 ] || at_least "each end of the tunnel holds two keys" "$(keys_held)" 4
	remove $((round % 6))
	teardown
	done=$((done + 1))
done
is "removed under full traffic, $ROUNDS times" "$done" "$ROUNDS"
sleep 1
check "the module can go" rmmod ntmobile
# A key holds its cipher
is "and leaves no key behind" "$(keys_held)" 0
