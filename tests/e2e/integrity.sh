# shellcheck shell=bash
# What goes in comes out, byte for byte: large transfers, TCP and UDP, IPv4 and IPv6 inside, one way and the other, cut and
# merged on their way; and where the network spoils bits, no spoilt byte reaches an application.
# on: uml uml/mixed host
# on-long: qemu-6.12 qemu-6.1 qemu-6.1/mixed uml-debug qemu-6.12/mixed
# timeout: 240
# timeout-long: 900

. /mnt/lab/src/tests/e2e/lib/pair

MB=16
[ "$LAB_TARGET" = host ] || MB=4
BYTES=$((MB << 20))
SIZE=1300 # of a datagram
PORT=9000

# stream FROM TO ADDRESS PROTO BYTES: what the receiver says of it is in REPORT
stream() {
	local from=$1 to=$2 address=$3 proto=$4 bytes=$5 size=()
	PORT=$((PORT + 1))
	[ "$proto" = tcp ] || size=("$SIZE")
	bg "$to" "stream$PORT" ntm-stream receive "$proto" $PORT
	eventually 5 listens "$to" "$proto" $PORT
	on "$from" timeout 60 ntm-stream send "$proto" "$address" $PORT "$bytes" "${size[@]}" || true
	wait_for "$to" "stream$PORT" 10 || true
	REPORT=$(logs "$to" "stream$PORT" | tail -n 1)
}

# sent HOST bytes|packets: on its link
sent() {
	on "$1" cat "/sys/class/net/$(if_of "$1" internet)/statistics/tx_$2"
}

# What of a host's data packets was found to be spoilt: by the kernel (the UDP checksum, where a socket gets them), or by NTMobile
spoilt() {
	local checksum
	checksum=$(on "$1" awk '$1 == "Udp:" && $2 != "InDatagrams" { print $8 }' /proc/net/snmp)
	echo $((checksum + $(drops "$1" auth path key replay short inner source)))
}

pair
for way in "a b $B4" "a b $B6" "b a $A4" "b a $A6"; do
	read -r from to address <<<"$way"
	name="$(datapath_of "$from") to $(datapath_of "$to"), $address"
	watch=watch$PORT
	bg "$to" $watch timeout 60 tcpdump -ni ntm0 -c 3 "tcp dst port $((PORT + 1)) and greater 3000"
	eventually 5 eval "logs $to $watch | grep -q 'listening on'"
	bytes=$(sent "$from" bytes) packets=$(sent "$from" packets)
	stream "$from" "$to" "$address" tcp "$BYTES"
	is "TCP, $name: every byte is right" "${REPORT%% datagrams*}" "bytes $BYTES wrong 0"
	mean=$((($(sent "$from" bytes) - bytes) / ($(sent "$from" packets) - packets)))
	at_least "TCP, $name: it left in aggregates" "$mean" 3000
	check "TCP, $name: and was merged again" eventually 2 ended "$to" $watch
	stream "$from" "$to" "$address" udp "$BYTES"
	count=$(((BYTES + SIZE - 1) / SIZE))
	is "UDP, $name: every byte is right, and no datagram is lost, repeated or late" "${REPORT%% merged*}" \
		"bytes $((count * SIZE)) wrong 0 datagrams $count lost 0 late 0"
	at_least "UDP, $name: and they were merged again" "${REPORT##* }" 1
done

# Bits that change on the way, of any header or payload. What enters such a link is cut first.
link_set a internet --corrupt 2%
for way in "a b $B4" "b a $A4"; do
	read -r from to address <<<"$way"
	name="spoilt on the way to $(datapath_of "$to")"
	before=$(spoilt "$to")
	stream "$from" "$to" "$address" tcp "$BYTES"
	is "TCP, $name: every byte is right" "${REPORT%% datagrams*}" "bytes $BYTES wrong 0"
	stream "$from" "$to" "$address" udp $((2 << 20)) # 1614 datagrams, so that chance lets not all of them pass
	like "UDP, $name: so is every byte that comes" "$REPORT" '^bytes [0-9]{6,} wrong 0 datagrams'
	unlike "UDP, $name: but not all come" "$REPORT" 'lost 0 '
	at_least "$name: counted" $(($(spoilt "$to") - before)) 20
done
