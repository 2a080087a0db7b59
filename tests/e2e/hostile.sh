# shellcheck shell=bash
# on: qemu-6.12 qemu-6.1
# on-long: uml-debug
# without: tun mixed: the module by itself
# timeout: 180
# Spoilt copies of genuine data packets: each is dropped and counted by its cause, none is answered, none reaches an
# application, none moves the peer. Fixed keys, no daemon.

. /mnt/lab/src/tests/e2e/lib/fixed-keys
. /mnt/lab/src/tests/e2e/lib/evil

fixed_pair
wire=$(if_of a internet)

# stat NAME, drop CAUSE...: a counter of b's path; the sum of drop counters of b's device
stat() {
	on b ntm-cfg path get ntm0 7 | grep -oE "\b$1=[0-9]+" | cut -d= -f2
}
drop() {
	local cause sum=0 n
	for cause in "$@"; do
		n=$(on b ntm-cfg dev get ntm0 | grep -oE "\bdrop_$cause=[0-9]+" | cut -d= -f2)
		sum=$((sum + ${n:-0}))
	done
	echo "$sum"
}

# evil MODE CAUSE...: catch one ping, send spoilt copies of it; their number is in SENT, of those dropped for these causes in DROPPED,
# of b's received packets in GOT, and of all that b has sent since, but for its answer to the ping, in ANSWERS
evil() {
	local mode=$1 dropped before
	shift
	dropped=$(drop "$@")
	capture b internet "answers-$mode" 'src host 192.0.2.2 and ip'
	evil_start a internet "$mode"
	before=$(stat rx_packets)
	on a ping -c 1 -W 2 10.9.0.2
	SENT=$(evil_sent a)
	eventually 5 eval "[ \$(drop $*) -ge $((dropped + SENT)) ]" || true
	capture_stop "answers-$mode"
	DROPPED=$(($(drop "$@") - dropped))
	ANSWERS=$(($(packets "answers-$mode") - 1))
	GOT=$(($(stat rx_packets) - before))
}

check "a packet passes" on a ping -c 1 -W 2 10.9.0.2

evil flip auth path key
at_least "one bit changed in every byte" "$SENT" 100
is "each is dropped and counted" "$DROPPED" "$SENT"
is "only the ping itself arrives" "$GOT" 1
is "nothing of it is answered" "$ANSWERS" 0

evil replay replay
is "every replay is dropped and counted" "$DROPPED" "$SENT"
is "only the ping itself arrives, again" "$GOT" 1
is "no replay is answered" "$ANSWERS" 0

evil cut short
is "every short packet is dropped and counted" "$DROPPED" "$SENT"
is "no short packet is answered" "$ANSWERS" 0

evil moved auth
is "a forged packet from another port" "$SENT" 1
is "is dropped and counted" "$DROPPED" 1
is "is not answered" "$ANSWERS" 0
like "does not move the peer" "$(on b ntm-cfg path get ntm0 7)" '192\.0\.2\.1[: ]+4330'
check "and nothing is harmed" on a ping -c 2 -i 0.2 -W 2 10.9.0.2

# Paths that there are not
path=$(drop path)
capture b internet answers-path 'src host 192.0.2.2 and ip'
sent=$(on a ntm-evil lo forge 192.0.2.1 5000 192.0.2.2 99 100 50 64)
eventually 5 eval '[ "$(drop path)" = $((path + 50)) ]'
capture_stop answers-path
is "packets of an unknown Path ID" "$sent" 50
is "are dropped and counted" "$(($(drop path) - path))" 50
is "and not answered" "$(packets answers-path)" 0

# A peer that takes another address inside than it has
on a ip addr add 10.9.0.77/24 dev ntm0
on a ip addr add fd09::77/64 dev ntm0 nodad
source=$(drop source) before=$(stat rx_packets)
capture b ntm0 spoofed icmp or icmp6
capture b internet answers-source 'src host 192.0.2.2 and ip'
on a ping -c 5 -i 0.1 -W 1 -I 10.9.0.77 10.9.0.2 || true
on a ping -c 5 -i 0.1 -W 1 -I fd09::77 fd09::2 || true
capture_stop answers-source
capture_stop spoofed
is "a spoofed inner source is dropped and counted" "$(($(drop source) - source))" 10
is "counts for nothing else" "$(stat rx_packets)" "$before"
is "does not arrive" "$(packets spoofed)" 0
is "and is not answered" "$(packets answers-source)" 0
on a ip addr del 10.9.0.77/24 dev ntm0
on a ip addr del fd09::77/64 dev ntm0

# What a packet socket of this end makes up: it goes to the peer, who drops it, or nowhere
on a ip route add 192.0.2.2/32 dev "$wire" mtu 1300
inner=$(drop inner source)
at_least "headers of all kinds are sent by a packet socket" "$(on a ntm-evil ntm0 junk)" 200
at_least "the peer drops them" "$(($(drop inner source) - inner))" 100
on a ip route del 192.0.2.2/32
check "and nothing is harmed by that" on a ping -c 2 -i 0.2 -W 2 10.9.0.2

# A socket that its owner has closed: its port may be somebody else's, with all that is sent to it
stop b owner
fixed_owner b "dev set ntm0 port4 4330" close
socket_closed() {
	on b ntm-cfg dev get ntm0 | grep -q port=4330 && ! listens b udp 4330
}
eventually 5 socket_closed
on b nft -f - <<-NFT
	table inet t {
		chain i {
			type filter hook input priority 0;
			udp dport 4330 counter
		}
	}
NFT
on a bash -c "printf '\377other' >/dev/udp/192.0.2.2/4330"
check "what comes for its port goes its way" eventually 2 eval "on b nft list ruleset | grep -q 'counter packets 1 '"
