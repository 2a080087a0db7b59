# shellcheck shell=bash
# The daemon's netlink code and resolver against the real module, without the daemon: ntm-dp plays its part.
# on: qemu-6.12
# on-long: qemu-6.1
# without: tun mixed: the module by itself
# timeout: 120
#
#   a 192.0.2.1 ---- internet ---- 192.0.2.2 b        ns: a name server that knows www.example.org
#   ntm0 10.9.0.1                  ntm0 10.9.0.2

KEY_A=$(printf 'a1%.0s' {1..32})
KEY_B=$(printf 'b2%.0s' {1..32})

ready_again() {
	[ "$(grep -c ready "$LAB_OUT/a/dp.log")" = 2 ]
}

net internet
host a b ns
link a internet 192.0.2.1/24 2001:db8::1/64
link b internet 192.0.2.2/24 2001:db8::2/64
link ns internet 192.0.2.53/24
dns ns www.example.org=192.0.2.80
resolver a 192.0.2.53

exits "without the module it says what to do" 1 on a ntm-dp ntm0 10.9.0.1 fd09::1 example.net 7 10.9.0.2 fd09::2 192.0.2.2 "$KEY_A" "$KEY_B"
like "in words" "$(cat "$LAB_STATE/output")" 'load the module'
load_module
bg a dp ntm-dp ntm0 10.9.0.1 fd09::1 example.net 7 10.9.0.2 fd09::2 192.0.2.2 "$KEY_A" "$KEY_B"
bg b dp ntm-dp ntm0 10.9.0.2 fd09::2 example.net 7 10.9.0.1 fd09::1 192.0.2.1 "$KEY_B" "$KEY_A"
require "both are ready" eventually 30 sh -c "grep -q ready $LAB_OUT/a/dp.log && grep -q ready $LAB_OUT/b/dp.log"
like "a repeated epoch is refused" "$(logs a dp)" 'same epoch: -17'
like "so is a path that is not there" "$(logs a dp)" 'no such path: -2'

check "packets pass" on a ping -c 2 -i 0.2 -W 2 10.9.0.2
check "IPv6 too" on a ping -c 2 -i 0.2 -W 2 fd09::2
like "a name of the zone is answered" "$(on a dig +short cn.example.net A)" '^10\.9\.0\.2$'
like "its AAAA too" "$(on a dig +short cn.example.net AAAA)" '^fd09::2$'
like "an unknown one is NXDOMAIN" "$(on a dig nobody.example.net A)" 'NXDOMAIN'
like "an answer may take its time" "$(on a dig +short +tries=1 +time=4 slow.example.net A)" '^10\.9\.0\.2$'
like "a query that is let go reaches the name server" "$(on a dig pass.example.net A)" 'NXDOMAIN'
is "only that one" "$(grep -c 'query.*example.net' "$LAB_OUT/ns/dnsmasq.log")" 1
like "another name is none of its business" "$(on a dig +short www.example.org A)" '^192\.0\.2\.80$'

exits "a miss that fails is told to the application" 1 on a ping -c 1 -W 3 10.9.0.99
like "with ICMP" "$(cat "$LAB_STATE/output")" 'Host Unreachable'
check "and was told to the daemon" eventually 2 grep -q 'miss 10.9.0.99, done 0' "$LAB_OUT/a/dp.log"

# A flood of events while the daemon cannot read: it loses events, and reads the paths anew, but no query
on a ntm-cfg path many ntm0 1000 4000 10.9.16.0
on a ip route add 10.9.16.0/20 dev ntm0
send_signal a dp STOP
on a bash -c 'for ((i = 0; i < 4000; i++)); do echo >/dev/udp/10.9.$((16 + i / 256)).$((i % 256))/9; done'
bg a asks dig +short +tries=1 +time=4 cn.example.net A
sleep 0.5
send_signal a dp CONT
wait_for a asks 10
is "a query in a flood of events is answered" "$(logs a asks)" 10.9.0.2
like "which was one" "$(logs a dp)" 'the kernel had to drop events'

addr_del b internet 192.0.2.2/24
addr_add b internet 192.0.2.22/24
check "the peer may move" eventually 5 on b ping -c 1 -W 1 10.9.0.1
check "the daemon hears of it" eventually 2 grep -q 'moved 7 192.0.2.22:4330' "$LAB_OUT/a/dp.log"
send_signal a dp USR1
check "counters are read" eventually 2 grep -qE 'path 0: tx [1-9].* rx [1-9].*peer 192.0.2.22:4330' "$LAB_OUT/a/dp.log"
check "so are drops" eventually 2 grep -q 'drops 0: short=0 .*no-route=' "$LAB_OUT/a/dp.log"

kill9 a dp
like "killed, it leaves DNS working" "$(on a dig +short www.example.org A)" '^192\.0\.2\.80$'
like "and the zone's names are the name server's" "$(on a dig +tries=1 +time=3 cn.example.net A)" 'NXDOMAIN'
again a dp
check "a new one takes the old interface away and starts" eventually 30 ready_again

on a ip link del ntm0
check "it notices that its interface was deleted" eventually 5 grep -q 'lost -19' "$LAB_OUT/a/dp.log"
check "and ends" eventually 5 ended a dp
stop b dp
check_not "at its end the interface goes" on b ip link show ntm0
