# NATs of each kind: how they map a UDP endpoint, and whom they let in; hairpin, two layers, timeouts.
# module: no
# on: host
# on-long: uml qemu-6.12
#
#   a 10.0.0.2, b 10.0.0.3 --- home --- gw --- internet --- s
#   c 10.1.0.2 --- inner --- gw2 10.0.0.4 --- home

net home inner internet
host a b c s
router gw gw2
link a home 10.0.0.2/24
link b home 10.0.0.3/24
link gw2 home 10.0.0.4/24
link gw home 10.0.0.1/24
link gw internet 198.51.100.1/24
link s internet 198.51.100.8/24 198.51.100.9/24
link c inner 10.1.0.2/24
link gw2 inner 10.1.0.1/24
gateway a 10.0.0.1
gateway b 10.0.0.1
gateway gw2 10.0.0.1
gateway c 10.1.0.1
GW=198.51.100.1

# A server's sockets: 0, 1 the same address and another port, 2 another address
S=(198.51.100.8:1000 198.51.100.8:1001 198.51.100.9:1000)
bg s stun ntm-stun serve "${S[@]}"
eventually 5 listens s udp 1000

# Both stand still, as on a machine that does, until the time would be over
send_signal s stun STOP
bg s asker ntm-stun ask 7000 "${S[0]}"
sleep 0.2
send_signal s asker STOP
sleep 1.2
send_signal s asker CONT
sleep 0.1
send_signal s stun CONT
wait_for s asker
is "who stood still goes on asking" "$(logs s asker)" 198.51.100.8:7000

# seen HOST PORT SOCKET: the address that this socket sees, of a packet from HOST's PORT
seen() {
	on "$1" ntm-stun ask "$2" "${S[$3]}"
}
# passes HOST PORT SOCKET: whether HOST, having asked socket 0, hears this one
passes() {
	on "$1" ntm-stun ask "$2" "${S[0]}" "$3"
}
check_let_in() {
	if [ "$2" = yes ]; then
		check "$1" "${@:3}"
	else
		check_not "$1" "${@:3}"
	fi
}

# independent TEXT HOST PORT: HOST's PORT has the same outer address for all sockets; it is in $OUTER afterwards
independent() {
	OUTER=$(seen "$2" "$3" 0)
	is "$1: the same for another port" "$(seen "$2" "$3" 1)" "$OUTER"
	is "$1: the same for another address" "$(seen "$2" "$3" 2)" "$OUTER"
}

# cone KIND OTHER-PORT OTHER-ADDRESS: an endpoint-independent mapping, and who is let in besides
cone() {
	nat gw internet --kind "$1"
	nat_reset gw internet
	independent "$1, a" a 4330
	is "$1: a's port is kept" "$OUTER" $GW:4330
	independent "$1, b with the same port" b 4330
	isnt "$1: b has another" "$OUTER" $GW:4330
	is "$1: a's is still the same" "$(seen a 4330 0)" $GW:4330

	check "$1: an answer passes" passes a 5000 0
	check_let_in "$1: an answer from another port" "$2" passes a 5000 1
	check_let_in "$1: an answer from another address" "$3" passes a 5000 2
	is "$1: what was not let in changes nothing" "$(seen a 5000 2)" $GW:5000
	check "$1: and now it passes" passes a 5000 2

	# A punch from outside before anything left
	on s ntm-stun send 1002 $GW:6000
	bg s late ntm-stun serve 198.51.100.8:1002
	eventually 5 listens s udp 1002
	is "$1: a packet that came too early changes nothing" "$(on a ntm-stun ask 6000 198.51.100.8:1002)" $GW:6000
	stop s late
}

cone full-cone yes yes
cone address-restricted yes no
cone port-restricted no no

nat gw internet --kind symmetric
nat_reset gw internet
for i in 0 1 2; do
	seen a 4330 $i
done >"$LAB_OUT/symmetric"
is "symmetric: each destination sees another port" "$(sort -u "$LAB_OUT/symmetric" | wc -l)" 3
check_not "symmetric: no port is kept" grep ':4330$' "$LAB_OUT/symmetric"
is "symmetric: a destination sees the same again" "$(seen a 4330 1)" "$(sed -n 2p "$LAB_OUT/symmetric")"
check "symmetric: an answer passes" passes a 5000 0
check_not "symmetric: not from another port" passes a 5000 1
check_not "symmetric: nor from another address" passes a 5000 2

# hairpin none|elsewhere|punched: whether a answers b at a's outer address, after a sent nothing, or to another port of that
# address, or to b's outer address and port
hairpin() {
	nat_reset gw internet
	! running a own || stop a own
	A=$(seen a 4330 0) B=$(seen b 4330 0)
	case $1 in
	elsewhere) on a ntm-stun send 4330 $GW:9 ;;
	punched) on a ntm-stun send 4330 "$B" ;;
	esac
	bg a own ntm-stun serve 0.0.0.0:4330
	eventually 5 listens a udp 4330
	on b ntm-stun ask 4330 "$A"
}

# hairpins KIND NONE ELSEWHERE: whether the NAT lets it in, punched and not
hairpins() {
	nat gw internet --kind "$1"
	check_not "$1 without hairpin: none" hairpin punched
	nat gw internet --kind "$1" --hairpin
	check_let_in "$1 with hairpin: without a punch" "$2" hairpin none
	check_let_in "$1 with hairpin: after a punch to another port" "$3" hairpin elsewhere
	check "$1 with hairpin: after a punch" hairpin punched
	is "$1 with hairpin: b comes from its outer address" "$(logs a own | tail -n 1)" "$B at 0"
	stop a own
}

hairpins full-cone yes yes
hairpins address-restricted no yes
hairpins port-restricted no no

# Two layers: the stricter one decides
layers() {
	nat gw internet --kind "$1"
	nat gw2 home --kind "$2"
	nat_reset gw internet
	nat_reset gw2 home
}
layers full-cone full-cone
independent "two layers" c 4330
is "two layers: the outer address is the outer NAT's" "$OUTER" $GW:4330
check "two full cones let in from anywhere" passes c 5000 2
isnt "who is behind one of them has another port" "$(seen a 4330 0)" $GW:4330
layers full-cone port-restricted
check_not "a full cone before a port-restricted NAT does not" passes c 5000 2
layers port-restricted full-cone
check_not "nor the other way round" passes c 5000 1
layers full-cone symmetric
isnt "a symmetric NAT behind a full cone is symmetric" "$(seen c 4330 0)" "$(seen c 4330 1)"
layers symmetric full-cone
isnt "nor the other way round" "$(seen c 4330 0)" "$(seen c 4330 1)"

# Timeouts. An answer that a busy machine sends a second late finds the mapping gone
nat gw internet --kind full-cone --timeout 2
nat_reset gw internet
steadily 400 check "a mapping holds for its time" on a ntm-stun hear 7000 3 "${S[0]}" 1
check_not "and no longer" on a ntm-stun hear 7001 5 "${S[0]}" 4
nat gw internet --kind port-restricted --timeout 5
steadily 400 check "or as long as was said" on a ntm-stun hear 7002 5 "${S[0]}" 4
seen a 7003 0
nat_reset gw internet
is "a NAT that starts again forgets: b can have a's port" "$(seen b 7003 0)" $GW:7003
