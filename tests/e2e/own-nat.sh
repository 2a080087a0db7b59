# timeout: 150
# on: uml
# on-long: qemu-6.12 qemu-6.1 uml-debug
# without: tun mixed: the module by itself
# The NAT is the node's own machine: packets for its port may be those of a node behind it, and its own may come to another port.
# Fixed keys, no daemon.
#
#   l 10.1.0.2 ---- home ---- r, masquerades ---- internet ---- 192.0.2.9 p, which has port 443 lead to its own
#   ntm0 10.9.0.1             ntm0 10.9.0.3                     ntm0 10.9.0.2

. /mnt/lab/src/tests/e2e/lib/fixed-keys

drop() {
	on "$1" ntm-cfg dev get ntm0 | grep -oE "\bdrop_$2=[0-9]+" | cut -d= -f2
}
peer() {
	on "$1" ntm-cfg path get ntm0 "$2" | grep -oE '\bpeer=[^ ]+' | cut -d= -f2-
}
counted() {
	on "$1" nft list table inet seen | sed -nE 's/.* counter packets ([0-9]+) .*/\1/p'
}

# tcp HOST TEXT: to p
tcp() {
	iperf_server p
	check "$2: TCP" on "$1" iperf3 -c 10.9.0.2 -t 1 -i 0
	iperf_server p
	check "$2: TCP, the other way" on "$1" iperf3 -c 10.9.0.2 -t 1 -i 0 -R
}

net home internet
host l p
router r
link l home 10.1.0.2/24
link r home 10.1.0.1/24
link r internet 192.0.2.8/24
link p internet 192.0.2.9/24
gateway l 10.1.0.1
on r nft -f - <<-NFT
	table ip nat {
		chain out {
			type nat hook postrouting priority srcnat;
			oifname $(if_of r internet) masquerade
		}
	}
NFT
fixed_dev l 10.9.0.1 fd09::1
fixed_dev r 10.9.0.3 fd09::3
fixed_dev p 10.9.0.2 fd09::2
fixed_owner l "dev set ntm0 port4 4330" \
	"path set ntm0 7 create v4 10.9.0.2 peer 192.0.2.9 4330 key 1 1 $FIXED_A $FIXED_B"
fixed_owner p "dev set ntm0 port4 4330" \
	"path set ntm0 7 create v4 10.9.0.1 peer 192.0.2.8 4330 key 1 1 $FIXED_B $FIXED_A"
fixed_owner r "dev set ntm0 port4 4330"
eventually 5 fixed_ready l
eventually 5 fixed_ready p
eventually 5 listens r udp 4330

# The node behind it was there first, and has its port
check "the node behind: ping" eventually 5 on l ping -c 1 -W 1 10.9.0.2
is "the node behind: by the port that the router has too" "$(peer p 7)" 192.0.2.8:4330
tcp l "the node behind"

# The router's own packets get another one
on p ntm-cfg path set ntm0 8 create v4 10.9.0.3 peer 192.0.2.8 4330 key 1 1 "$FIXED_B" "$FIXED_A"
on r ntm-cfg path set ntm0 8 create v4 10.9.0.2 peer 192.0.2.9 4330 key 1 1 "$FIXED_A" "$FIXED_B"
check "the router: ping" eventually 5 on r ping -c 1 -W 1 10.9.0.2
like "the router: by another port" "$(peer p 8)" '^192\.0\.2\.8:'
isnt "the router: which its socket does not have" "$(peer p 8)" 192.0.2.8:4330
tcp r "the router"
check "the node behind is there as before" on l ping -c 2 -i 0.2 -W 2 10.9.0.2

# What is nobody's is the router's, as it was
path=$(drop r path) short=$(drop r short)
is "of an unknown path" "$(on p ntm-evil lo forge 192.0.2.9 5000 192.0.2.8 99 100 10 64)" 10
is "cut short" "$(on p ntm-evil lo forge 192.0.2.9 5000 192.0.2.8 99 23 10 64)" 10
check "is dropped and counted" eventually 3 eval '[ "$(($(drop r path) - path)) $(($(drop r short) - short))" = "10 10" ]'
is "and conntrack remembers nothing of it" "$(on r conntrack -L -p udp --sport 5000 2>/dev/null | wc -l)" 0

# A port that leads to the node's: what is sent back leaves by it
on p nft -f - <<-NFT
	table ip nat {
		chain in {
			type nat hook prerouting priority dstnat;
			udp dport 443 redirect to :4330
		}
	}
	table inet seen {
		chain i {
			type filter hook input priority 0;
			udp sport 6000 counter
		}
	}
NFT
on r ntm-cfg path set ntm0 8 peer 192.0.2.9 443
check "a redirected port: ping" eventually 5 on r ping -c 1 -W 1 10.9.0.2
tcp r "a redirected port"
is "a redirected port: the peer is seen there" "$(peer r 8)" 192.0.2.9:443

# Signalling in an aggregate gets there, too: with the flow's first, which is given up, then out of the others
auth=$(drop p auth)
for i in 1 2; do
	on r ntm-evil lo mixed 6000 192.0.2.9#443 100 8 0 0 8
done
check "a redirected port: signalling in aggregates" eventually 3 eval '[ "$(counted p)" = 4 ]'
is "a redirected port: what is data in them" "$(($(drop p auth) - auth))" 2
