# shellcheck shell=bash
# ntm-rs between two ends of its own kind: bound, unbound, forged, replayed, flooded, limited, drained, killed, without its data plane.
# on: qemu-6.12 host
# on-long: qemu-6.1/tun
# without: mixed: one relay server, and no node
# timeout: 300
#
#   a 10.0.0.2 --- home --- n (NAT) --- internet --- dc 192.0.2.1, fake 192.0.2.2, r 192.0.2.9 2001:db8::9,
#                                                    b (IPv6 alone) 2001:db8::20, evil 192.0.2.66
#
# r is the relay of a DC, dc, and of one of a few lines, fake, which says what it is told to. a and b are ends of path 1.

net internet home
host dc fake r a b evil
router n
link dc internet 192.0.2.1/24
link fake internet 192.0.2.2/24
link r internet 192.0.2.9/24 2001:db8::9/64
link n internet 192.0.2.5/24
link n home 10.0.0.1/24
nat n internet
link a home 10.0.0.2/24
gateway a 10.0.0.1
link b internet 2001:db8::20/64
link evil internet 192.0.2.66/24
dc dc
rs r relay1 dc node-paths=6
bg fake dc ntm-bind dc 192.0.2.2:4330 "$LAB_OUT/fifo"
eventually 5 grep -q '^ntm://' "$LAB_OUT/fake/dc.log"

like "the DC has a relay" "$(dc_ctl dc relays)" 'relay1\.example\.net +online +192\.0\.2\.9:4330,\[2001:db8::9\]:4330 '
is "and another DC gets it, too" "$(rs_ctl r join "$(grep -m 1 '^ntm://' "$LAB_OUT/fake/dc.log")")" relay.fake.example
like "status names both" "$(rs_ctl r status)" 'example\.net +relay1\.example\.net +registered'
like "status names both" "$(rs_ctl r status)" 'fake\.example +relay\.fake\.example +registered'
key=$(rs_ctl r status --json | sed -nE 's/^  "key": "(.*)",/\1/p')
like "the token is used once" "$(logs fake dc)" 'registered, load [0-9]+, 2 candidates, with a token'
exits "a string that is none" 2 rs_ctl r join 'ntm://nonsense'
exits "a zone that is none of its" 1 rs_ctl r leave nowhere.example

# direct ID PSK [LIFETIME NODE NODE]: what the relay answers
direct() {
	local before
	before=$(grep -c "^path $1:" "$LAB_OUT/fake/dc.log" || true)
	echo "direct $*" >"$LAB_OUT/fifo"
	answered() { [ "$(grep -c "^path $1:" "$LAB_OUT/fake/dc.log")" -gt "$before" ]; }
	eventually 5 answered "$1" || true
	grep "^path $1:" "$LAB_OUT/fake/dc.log" | tail -n 1
}
drops() {
	rs_ctl r status --drops | awk -v c="$1 $2" '$1 " " $2 == c { print $3 }'
}
# more KIND CAUSE BEFORE NUMBER
more() {
	[ "$(drops "$1" "$2")" -ge $(($3 + $4)) ]
}
of_a() { on a ntm-bind "$1" 192.0.2.9:4330 "$key" "${@:2}"; }
of_b() { on b ntm-bind "$1" '[2001:db8::9]:4330' "$key" "${@:2}"; }
of_evil() { on evil ntm-bind "$1" 192.0.2.9:4330 "${@:2}"; }

# Directed, bound, and through: an IPv4 end behind a NAT, an IPv6 end
before=$(drops signalling path)
is "a path that nobody directed" "$(of_a bind 1 1 7 5000 || true)" silent
check "is counted" more signalling path "$before" 1
is "a path is directed" "$(direct 1 7)" "path 1: status 0"
is "again: the same" "$(direct 1 7)" "path 1: status 0"
is "with other keys: refused" "$(direct 1 8)" "path 1: status 8"
bg b echo ntm-bind echo '[2001:db8::9]:4330' "$key" 1 2 7 5000
bound_b() { logs b echo | grep -q '^bound'; }
check "b binds" eventually 5 bound_b
like "with a cookie in between" "$(logs b echo)" '^cookie 0 \[2001:db8::20\]:5000'
through() {
	is "$1" "$(of_a ping 1 1 7 5000 50 | tail -n 1)" "data 50/50 relayed 50/50"
}
through "data and signalling pass both ways"
like "a is seen where the NAT puts it" "$(of_a bind 1 1 7 5000)" 'bound 60 192\.0\.2\.5:[0-9]+'
counted() { [ "$(rs_ctl r status --json | sed -nE 's/^  "packets": (.*),/\1/p')" -ge 100 ]; }
check "and is counted" eventually 5 counted
like "status shows it" "$(rs_ctl r status)" 'paths: 1, bound 1, of 2 nodes'

# Not bound, not from an end, not with the key
is "a path whose other end does not come" "$(direct 2 7)" "path 2: status 0"
unbound=$(drops data unbound) signal=$(drops signalling unbound)
like "leads nowhere" "$(of_a ping 2 1 7 5002 20 || true)" 'data 0/20 relayed 0/20'
check "data: counted" eventually 5 more data unbound "$unbound" 20
check "signalling: counted" eventually 5 more signalling unbound "$signal" 20
capture b internet strange 'udp port 5000 and ip6[48] = 0x80'
source=$(drops data source) path=$(drops data path)
of_evil flood 1 5000 500
check "data from neither end: counted" eventually 5 more data source "$source" 400
of_evil flood 99 5000 500
check "of an unknown path: counted" eventually 5 more data path "$path" 400
capture_stop strange
is "and none of it arrives" "$(packets strange)" 0
mac=$(drops signalling mac)
is "a Bind with a wrong key" "$(of_evil bind "$key" 1 1 9 5000 || true)" silent
check "is counted, not answered" eventually 5 more signalling mac "$mac" 1
through "nothing of this harms"

# A Bind that somebody saw
of_a bind 1 1 7 5000 "$LAB_OUT/bind" >/dev/null
is "sent again from elsewhere it gets a cookie, no longer than itself" "$(of_evil send 5000 "$LAB_OUT/bind")" "84 bytes, status 1"
through "and a stays where it was"
is "an end that moves" "$(direct 3 7)" "path 3: status 0"
of_a bind 3 1 7 6000 "$LAB_OUT/before" >/dev/null
again_as_before() { on a ntm-bind send 192.0.2.9:4330 6000 "$LAB_OUT/before"; }
is "(as long as it has not, its Bind may come again)" "$(again_as_before)" "84 bytes, status 0"
like "proves its new address" "$(of_a bind 3 1 7 6001)" 'bound 60 192\.0\.2\.5:6001'
is "then a Bind of before is no good any more, even from there" "$(again_as_before)" "84 bytes, status 1"

# Probes
like "a probe" "$(of_a probe 5010)" '^192\.0\.2\.9:4330 sees 192\.0\.2\.5:[0-9]+$'
like "answered from the other port" "$(of_b probe 5010 other)" '^\[2001:db8::9\]:4331 sees \[2001:db8::20\]:5010$'
like "answered to another port" "$(of_b probe 5010 5011)" ':4330 sees \[2001:db8::20\]:5010$'
is "by a stranger, who was not told the key" "$(on evil ntm-bind probe 192.0.2.9:4330 "${key/[A-M]/z}" 5010 || true)" silent

# Limits: six paths for a node, and a rate
for id in 11 12 13 14 15 16; do direct $id 7 60 50 51 >/dev/null; done
is "the last that a node may have" "$(direct 16 7 60 50 51)" "path 16: status 0"
is "one more" "$(direct 17 7 60 50 52)" "path 17: status 9"
is "another node has its own" "$(direct 18 7 60 60 61)" "path 18: status 0"
rate=$(drops data rate)
echo 'path-rate = 1000' >>"$(file_of r /etc/ntmobile/ntm-rs.conf)"
reload() {
	local before
	before=$(logs r ntm-rs | grep -c 'configuration reloaded' || true)
	send_signal r ntm-rs HUP
	reloaded() { [ "$(logs r ntm-rs | grep -c 'configuration reloaded')" -gt "$before" ]; }
	eventually 5 reloaded
}
reload
unlike "above its rate a path loses packets" "$(of_a ping 1 1 7 5000 600 || true)" 'data 600/600'
check "which are counted" eventually 5 more data rate "$rate" 20
sed -i '/path-rate/d' "$(file_of r /etc/ntmobile/ntm-rs.conf)"
reload
sleep 4 # the flood has used up what a path may send of signalling, too
through "without a limit all pass"

# Without the module it goes on by itself
plane_is() { rs_ctl r status | grep -q "data plane: $1"; }
if plane_is kernel; then
	on r ip link del ntmr0
	check "the interface is taken away: it goes on in user space" eventually 5 plane_is user
	through "with the ends as they were bound"
fi

# Killed, and started again
kill9 r ntm-rs
again r ntm-rs
registered() { [ "$(rs_ctl r status | grep -c ' registered ')" = 2 ]; }
check "killed and started again it registers by itself" eventually 40 registered
is "its paths are to be directed anew" "$(direct 1 7)" "path 1: status 0"
passes() { of_a ping 1 1 7 5000 5; }
check "b binds again, and all is as before" eventually 5 passes
if plane_is kernel; then
	rmmod ntmobile
	check "the module is unloaded: it goes on in user space" eventually 5 plane_is user
	through "and so do its paths"
	load_module
fi

# Drained
bg a stream bash -c "while sleep 0.5; do ntm-bind ping 192.0.2.9:4330 $key 1 1 7 5000 2; done"
rs_ctl r drain
offline() { dc_ctl dc relays | grep -q '^relay1\.example\.net *offline'; }
check "drained, it says goodbye to its DCs" eventually 5 offline
said_goodbye() { logs fake dc | grep -q goodbye; }
check "to each" eventually 5 said_goodbye
is "and takes no new path" "$(direct 20 7)" "path 20: status 12"
like "its state says so" "$(rs_ctl r status)" '^draining'
sleep 7
check "it stays while it is used" running r ntm-rs
stop a stream
check "and ends when nobody needs it" eventually 15 ended r ntm-rs
exits "then it is not running" 3 rs_ctl r status
again r ntm-rs
check "started again it is there" eventually 40 registered
is "a path" "$(direct 1 7)" "path 1: status 0"
check "which passes, with b bound once more" eventually 5 passes
bg a stream bash -c "while sleep 0.5; do ntm-bind ping 192.0.2.9:4330 $key 1 1 7 5000 2; done"
sleep 2
send_signal r ntm-rs TERM
sleep 1
check "SIGTERM drains as well" running r ntm-rs
send_signal r ntm-rs TERM
check "a second one ends it at once" eventually 2 ended r ntm-rs
