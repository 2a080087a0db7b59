# shellcheck shell=bash
# on: qemu-6.12 qemu-6.12/tun
# on-long: qemu-6.1 uml/mixed uml-debug
# timeout: 120
# A packet that comes by way of a relay moves no path; any other does, away from a relay too. Fixed keys, no daemon.
#
#   a 192.0.2.1 ------ west ------ 192.0.2.9 r 198.51.100.9 ------ east ------ 198.51.100.2 b
#   a 203.0.113.1 ------------------------- direct ------------------------- 203.0.113.2 b
#
# Path 7 between a and b; r relays it between west and east.

. /mnt/lab/src/tests/e2e/lib/fixed-keys
. /mnt/lab/src/tests/e2e/lib/data-path

net west east direct
host a b r
link a west 192.0.2.1/24
link r west 192.0.2.9/24
link r east 198.51.100.9/24
link b east 198.51.100.2/24
link a direct 203.0.113.1/24
link b direct 203.0.113.2/24

load_module
on r ip link add ntm0 type ntm
on r ip link set ntm0 up
fixed_owner r "dev set ntm0 port4 4330" \
	"relay set ntm0 7 end0 192.0.2.1 4330 end1 198.51.100.2 4330"

dp_start a 10.9.0.1 fd09::1 10.9.0.2 fd09::2 192.0.2.9 "$FIXED_A" "$FIXED_B"
dp_start b 10.9.0.2 fd09::2 10.9.0.1 fd09::1 198.51.100.9 "$FIXED_B" "$FIXED_A"
require "both are there" eventually 30 eval "dp_ready a && dp_ready b"

moves() { logs "$1" dp | grep -c '^moved' || true; }
pings() { on a ping -c 2 -i 0.2 -W 2 10.9.0.2; }

order a path relays 192.0.2.9 -
order b path relays - 198.51.100.9
check "through the relay" pings
is "a's path is on the relay" "$(dp_peer a)" 192.0.2.9:4330
is "b's too" "$(dp_peer b)" 198.51.100.9:4330
is "nothing has moved" "$(moves a)$(moves b)" 00

# From a relay to the direct way: an ordinary packet does it
order a path peer 203.0.113.2
check "directly" pings
is "b has followed, away from its relay" "$(dp_peer b)" 203.0.113.1:4330

# And from there, nothing that a relay sends on leads back. a sends by the relay; b's answer comes directly
order a path peer 192.0.2.9
before=$(moves b)
check "a by the relay, b directly" on a ping -c 1 -W 2 10.9.0.2
is "b stays where it was" "$(dp_peer b)" 203.0.113.1:4330
is "it was not told of a move" "$(moves b)" "$before"
is "a has followed b" "$(dp_peer a)" 203.0.113.2:4330

# Another relay takes the place of the first, which is an address as any other now
order b path relays 198.51.100.77 198.51.100.78
order a path peer 192.0.2.9
check "by the relay that is none" on a ping -c 1 -W 2 10.9.0.2
is "b has followed" "$(dp_peer b)" 198.51.100.9:4330
order b path peer 203.0.113.1
order b path relays 198.51.100.9 198.51.100.78
order a path peer 192.0.2.9
check "it is one again" on a ping -c 1 -W 2 10.9.0.2
is "b stays" "$(dp_peer b)" 203.0.113.1:4330
order b path relays - -
order a path peer 192.0.2.9
check "none at all" on a ping -c 1 -W 2 10.9.0.2
is "b has followed again" "$(dp_peer b)" 198.51.100.9:4330

# What the module shows (a daemon keeps it for itself on the other path)
if [ "$(dp_way b)" = kernel ]; then
	order b path relays 198.51.100.9:1 2001:db8::9
	like "the relays are shown" "$(on b ntm-cfg path get ntm0 7)" ' relay0=198\.51\.100\.9:1 relay1=\[2001:db8::9\]:4330 '
	on b ntm-cfg path set ntm0 7 relay1 198.51.100.7 2
	like "one of two given replaces both" "$(on b ntm-cfg path get ntm0 7)" ' peer=[0-9.:]* relay1=198\.51\.100\.7:2 '
	on b ntm-cfg path set ntm0 7 mtu 1300
	like "what is not given stays" "$(on b ntm-cfg path get ntm0 7)" ' relay1=198\.51\.100\.7:2 '
	on b ntm-cfg path set ntm0 7 relay0 none
	unlike "an empty one takes all away" "$(on b ntm-cfg path get ntm0 7)" relay
fi
