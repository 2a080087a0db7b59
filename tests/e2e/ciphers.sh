# shellcheck shell=bash
# on: qemu-6.12
# on-long: qemu-6.1 uml-debug
# without: tun mixed: the module by itself
# timeout: 240
# Each cipher suite of the module, by a driver that is done at once and by one that completes later (cryptd, which has a queue
# for each processor): what goes in comes out, byte for byte. Fixed keys, no daemon. (Of the order: kmod/tests/order_test.c.)

. /mnt/lab/src/tests/e2e/lib/fixed-keys

BYTES=$((2 << 20))
SIZE=1300
COUNT=$(((BYTES + SIZE - 1) / SIZE))
PORT=9000
EPOCH=1

declare -A ALG=([1]='rfc7539(chacha20,poly1305)' [2]='gcm(aes)')
declare -A LATER=([1]='cryptd(rfc7539(chacha20-generic,poly1305-generic))' [2]='cryptd(gcm_base(ctr(aes-generic),ghash-generic))')

# driver_of NAME: the one the kernel takes for this algorithm
driver_of() {
	awk -F' *: ' -v name="$1" '
		$1 == "name" { hit = $2 == name }
		$1 == "driver" { driver = $2 }
		$1 == "priority" { priority = $2 }
		$1 == "internal" && hit && $2 == "no" && priority >= best { best = priority; found = driver }
		END { print found }' /proc/crypto
}

# property DRIVER KEY: what the kernel says of a driver
property() {
	awk -F' *: ' -v driver="$1" -v key="$2" '$1 == "driver" { hit = $2 == driver } hit && $1 == key { print $2; exit }' /proc/crypto
}

# rekey SUITE: both ends get new keys
rekey() {
	EPOCH=$((EPOCH + 1))
	on b ntm-cfg path set ntm0 7 key $EPOCH "$1" "$FIXED_B" "$FIXED_A" pending
	on a ntm-cfg path set ntm0 7 key $EPOCH "$1" "$FIXED_A" "$FIXED_B"
}

# both_have: the key in use is the newest
both_have() {
	on a ping -c 1 -W 1 10.9.0.2
	on a ntm-cfg path get ntm0 7 | grep -q "epoch=$EPOCH " && on b ntm-cfg path get ntm0 7 | grep -q "epoch=$EPOCH "
}

bad() {
	on "$1" ntm-cfg dev get ntm0 | grep -oE 'drop_(auth|replay|inner|source|no_mem)=[0-9]+' | cut -d= -f2 | paste -sd+ | bc
}

# streams TEXT FROM TO ADDRESS: TCP and UDP at once
streams() {
	local text=$1 from=$2 to=$3 address=$4 tcp=$((PORT + 1)) udp=$((PORT + 2)) before
	PORT=$udp
	before=$(bad "$to")
	bg "$to" "s$tcp" ntm-stream receive tcp $tcp
	bg "$to" "s$udp" ntm-stream receive udp $udp
	eventually 5 listens "$to" tcp $tcp
	eventually 5 listens "$to" udp $udp
	bg "$from" "s$tcp" timeout 60 ntm-stream send tcp "$address" $tcp $BYTES
	on "$from" timeout 60 ntm-stream send udp "$address" $udp $BYTES $SIZE || true
	wait_for "$to" "s$tcp" 60 || true
	wait_for "$to" "s$udp" 10 || true
	is "$text: TCP: every byte is right" "$(logs "$to" "s$tcp" | sed 's/ datagrams.*//')" "bytes $BYTES wrong 0"
	is "$text: UDP: every byte is right, nothing is lost or out of order" "$(logs "$to" "s$udp" | sed 's/ merged.*//')" \
		"bytes $((COUNT * SIZE)) wrong 0 datagrams $COUNT lost 0 late 0"
	is "$text: nothing was dropped" $(($(bad "$to") - before)) 0
}

both_ways() {
	streams "$1, a to b" a b 10.9.0.2
	streams "$1, b to a, IPv6" b a fd09::1
}

fixed_pair 1
modprobe -q cryptd || true # which is built into user-mode Linux
for suite in 1 2; do
	rekey $suite
	check "suite $suite: a new key, confirmed" eventually 5 both_have
	driver=$(driver_of "${ALG[$suite]}")
	say "suite $suite: ${ALG[$suite]} by $driver"
	streams "suite $suite" a b 10.9.0.2

	later=${LATER[$suite]}
	require "suite $suite: a driver that completes later" on a ntm-cfg alg add "$later" 10000
	is "suite $suite: is the one the kernel takes" "$(driver_of "${ALG[$suite]}")" "$later"
	is "suite $suite: and does complete later" "$(property "$later" async)" yes
	rekey $suite
	check "suite $suite by cryptd: a new key, confirmed" eventually 5 both_have
	at_least "suite $suite by cryptd: four keys use it" "$(property "$later" refcnt)" 5
	both_ways "suite $suite by cryptd"
	# From one that completes later to one that does not, and back
	before=$(bad b)
	bg a ping ping -i 0.01 -c 200 -W 2 10.9.0.2
	for i in 2 1 $suite; do
		sleep 0.5
		rekey "$i"
	done
	wait_for a ping 20
	like "suite $suite by cryptd: keys replaced under way lose nothing" "$(logs a ping)" ' 200 received, 0% packet loss'
	is "suite $suite by cryptd: and nothing was dropped" $(($(bad b) - before)) 0
	[ "$suite" = 2 ] || { rekey 2 && eventually 5 both_have && rekey 2 && rekey 2 && eventually 5 both_have; }
	[ "$suite" = 2 ] || check "suite $suite by cryptd: its keys are gone with it" eventually 10 on a ntm-cfg alg del "$later"
done

# Packets that are with the driver when their device goes
bg b sink ntm-stream receive tcp 9999
eventually 5 listens b tcp 9999
bg a source timeout 90 ntm-stream send tcp 10.9.0.2 9999 2000000000
moving() {
	[ "$(on b ntm-cfg path get ntm0 7 | grep -oE '\brx_bytes=[0-9]+' | cut -d= -f2)" -gt 20000000 ]
}
check "under full load" eventually 60 moving
for host in b a; do
	check "the interface goes while packets are with the driver" on $host ip link del ntm0
done
check "so do the keys" eventually 10 on a ntm-cfg alg del "$later"
