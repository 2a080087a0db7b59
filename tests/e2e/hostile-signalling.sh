# shellcheck shell=bash
# Signalling that is forged, repeated, or meant for somebody else: refused and counted by nodes, relay server and coordinator, and a
# bystander to whom it points gets no packet, or as many as docs/PROTOCOL.md says.
# on: host
# on-long: uml/mixed qemu-6.12 qemu-6.12/mixed
# timeout: 300
#
#   dc .1, rs .2, fake .3, mn .10, cn .20, liar .30 with .66 on an interface of its own, evil .50, victim .66: all on 192.0.2.0/24
#
# evil hears what it wants to (here it is told) and sends with any source address it likes.

net internet
host dc rs fake mn cn liar evil victim
link dc internet 192.0.2.1/24
link rs internet 192.0.2.2/24
link fake internet 192.0.2.3/24
link mn internet 192.0.2.10/24
link cn internet 192.0.2.20/24
link liar internet 192.0.2.30/24
link evil internet 192.0.2.50/24
link victim internet 192.0.2.66/24
on liar ip link add lie type veth peer name truth
on liar ip link set truth up
on liar ip link set lie up
on liar ip addr add 192.0.2.66/32 dev lie
for h in mn cn liar; do
	resolver $h 127.0.0.1 # nobody is there: names come from ntmd, or not at all
done
dc dc
rs rs rs dc
bg fake dc ntm-bind dc 192.0.2.3:4330 "$LAB_OUT/fifo"
eventually 5 grep -q '^ntm://' "$LAB_OUT/fake/dc.log"
rs_ctl rs join "$(grep -m 1 '^ntm://' "$LAB_OUT/fake/dc.log")" >/dev/null
for h in mn cn liar; do
	node $h $h dc log-level=debug # which tells of a Route Direction
done

# refused HOST [CAUSE...]: packets of signalling that were dropped, for these causes or any
refused() {
	local host=$1 who=ctl
	shift
	[ "$host" != rs ] || who=rs_ctl
	$who "$host" status --drops | awk -v causes=" $* " '$1 == "signalling" && (causes == "  " || index(causes, " " $2 " ")) { n += $3 }
		END { print n + 0 }'
}
# counts TEXT HOST BEFORE NUMBER [CAUSE...]: so many more are counted
counts() {
	local text=$1 host=$2 before=$3 number=$4
	shift 4
	settled() { [ "$(refused "$host" "$@")" -ge $((before + number)) ]; }
	eventually 5 settled "$@" || true
	at_least "$text" $(($(refused "$host" "$@") - before)) "$number"
}
directions_of_rs() {
	rs_ctl rs status --json | sed -nE 's/.*"directions": ([0-9]+).*/\1/p'
}
directed() { # HOST: how many Route Directions it has believed
	grep -c 'Route Direction' "$LAB_OUT/$1/ntmd.log" || true
}
# keep HOST TYPE TO MIN NAME: in the background, until it is there
keep() {
	bg "$1" "keep-$5" ntm-stranger keep "$(if_of "$1" internet)" "$LAB_OUT/$5.kept" "$2" "$3" "$4"
	eventually 5 grep -q ready "$LAB_OUT/$1/keep-$5.log"
}
kept() {
	[ -s "$LAB_OUT/$1.kept" ]
}
of_evil() { on evil ntm-stranger "$@"; }
passes() {
	on mn ping -c 1 -W 2 "$(virtual4 cn)"
}
key_of() {
	dc_ctl dc nodes --json | tr -d ' \n' | grep -oE "\{[^{}]*\"name\":\"$1\.example\.net\"[^{}]*\}" | sed -nE 's/.*"key":"([^"]+)".*/\1/p'
}
path_id() {
	ctl mn status --json | tr -d ' \n' | grep -oE '"name":"cn\.example\.net".*' | sed -nE 's/.*"path_id":"([0-9a-f]{8})".*/\1/p'
}

keep dc 4 192.0.2.2 150 relay-direction
keep dc 4 192.0.2.20 200 route-direction
keep cn 7 192.0.2.10 24 punch
keep mn 5 192.0.2.20 100 tunnel-request
check "a tunnel is set up" on mn ping -c 2 -i 0.2 -W 2 cn.example.net
for what in relay-direction route-direction punch tunnel-request; do
	check "somebody has seen its $what" eventually 5 kept $what
done

# Relay Direction, to a relay server
before=$(refused rs) n=$(directions_of_rs)
sent=$(of_evil spoilt "$LAB_OUT/relay-direction.kept")
at_least "a Relay Direction with one bit changed, for each of its bytes" "$sent" 140
counts "each is counted by the relay server" rs "$before" "$sent"
before=$(refused rs replay)
of_evil again "$LAB_OUT/relay-direction.kept" 20 >/dev/null
counts "as it was, but again: each is a replay" rs "$before" 20 replay
before=$(refused rs auth)
session=$(od -An -tx1 -j 32 -N 4 "$LAB_OUT/relay-direction.kept" | tr -d ' ')
of_evil made '192.0.2.1#4330' 192.0.2.2 4 "$session" 152 20 >/dev/null
counts "made up, in the coordinator's name, with the session's number" rs "$before" 20 auth
before=$(refused rs session)
of_evil made '192.0.2.1#4330' 192.0.2.2 4 00000001 152 20 >/dev/null
counts "or with none that there is" rs "$before" 20 session
is "none of it was a direction" "$(directions_of_rs)" "$n"
id=$((16#$(path_id)))
echo "direct $id 7" >"$LAB_OUT/fifo"
check "another coordinator of the relay server gets no hand on the path: status 8" \
	eventually 5 grep -q "^path $id: status 8" "$LAB_OUT/fake/dc.log"

# Route Direction, to a node
before=$(refused cn replay) n=$(directed cn)
of_evil again "$LAB_OUT/route-direction.kept" 20 >/dev/null
counts "a Route Direction that comes again is a replay" cn "$before" 20 replay
before=$(refused cn)
sent=$(of_evil spoilt "$LAB_OUT/route-direction.kept")
counts "with one bit changed, each is counted" cn "$before" "$sent"
is "none of it was a direction" "$(directed cn)" "$n"
check "and the tunnel goes on" passes

# Tunnel Request, for a path that no coordinator directed, and for one that it directed to somebody else
key=$(key_of cn) before=$(refused cn path rate) n=$(ctl cn | grep -c ' up ')
is "Tunnel Requests for a path that nobody directed are not answered" \
	"$(of_evil request 192.0.2.20 "$key" deadbeef 5000 60)" "0 answers, 0 bytes"
counts "but counted" cn "$before" 60 path rate
sleep 1.2 # under load it says so, which is an answer
before=$(refused cn state)
is "nor are those of a stranger for a path that stands" \
	"$(of_evil request 192.0.2.20 "$key" "$(path_id)" 5000 20)" "0 answers, 0 bytes"
counts "they are counted" cn "$before" 20 state
before=$(refused cn mac)
is "nor those made out to another node" \
	"$(of_evil request 192.0.2.20 "$(key_of mn)" deadbeef 5000 20)" "0 answers, 0 bytes"
counts "they, too" cn "$before" 20 mac
is "no tunnel came of it" "$(ctl cn | grep -c ' up ')" "$n"
check "and the one that stands goes on" passes

# Things in the name of a bystander: what they cause goes there
capture victim internet hits udp
before=$(refused mn mac)
of_evil again "$LAB_OUT/punch.kept" 50 '192.0.2.66#4330' >/dev/null
of_evil made '192.0.2.66#4330' 192.0.2.10 7 "$(path_id)" 24 50 >/dev/null
counts "punches that are made up are counted" mn "$before" 50 mac
before=$(refused cn state replay)
of_evil again "$LAB_OUT/tunnel-request.kept" 20 '192.0.2.66#4330' >/dev/null
counts "so are Tunnel Requests of a tunnel that stands" cn "$before" 20 state replay
of_evil made '192.0.2.66#4330' 192.0.2.20 4 "$(path_id)" 80 50 >/dev/null
of_evil made '192.0.2.66#4330' 192.0.2.20 5 "$(path_id)" 200 50 >/dev/null
of_evil made '192.0.2.66#4330' 192.0.2.1 1 "$(path_id)" 200 50 >/dev/null
of_evil made '192.0.2.66#4330' 192.0.2.2 8 "$(path_id)" 84 50 >/dev/null
check "packets pass as before" passes
capture_stop hits
is "the bystander got nothing" "$(packets hits)" 0
like "the peer is where it was" "$(ctl mn)" 'cn\.example\.net.* up .*direct 192\.0\.2\.20:4330'

# A Session Request that was seen: its answer is no longer than itself
keep mn 1 192.0.2.1 100 session-request
kill9 mn ntmd
again mn ntmd
check "mn starts again" eventually 10 has_lease mn
check "somebody has seen its Session Request" eventually 5 kept session-request
capture victim internet answers udp
of_evil again "$LAB_OUT/session-request.kept" 60 '192.0.2.66#4330' >/dev/null
sleep 0.5
capture_stop answers
at_least "the coordinator answers some" "$(packets answers)" 1
bytes=$(tcpdump -Z root -nr "$(captured answers)" 2>/dev/null | sed -nE 's/.* length ([0-9]+)$/\1/p' | awk '{ n += $1 } END { print n + 0 }')
at_most "the coordinator sends a bystander no more than was sent in its name" "$bytes" \
	$((60 * ($(stat -c %s "$LAB_OUT/session-request.kept") - 28)))
say "60 Session Requests of $(($(stat -c %s "$LAB_OUT/session-request.kept") - 28)) bytes in its name: $(packets answers) packets, $bytes bytes"
check "mn is as registered as before" passes
ctl mn forget cn.example.net >/dev/null # with a tunnel it would miss cn soon, and have it directed anew
kill9 cn ntmd
again cn ntmd
check "cn starts again" eventually 10 has_lease cn
n=$(directed cn)
of_evil again "$LAB_OUT/route-direction.kept" 20 >/dev/null
counts "a Route Direction of before is of no session" cn 0 20 session
is "and none" "$(directed cn)" "$n"

# A node that says it is where somebody else is. 11: PROTOCOL 7.3a
for who in "mn liar" "liar mn"; do
	read -r from to <<<"$who"
	capture victim internet "aim-$from" udp and dst host 192.0.2.66
	check "$from reaches $to" on "$from" ping -c 3 -i 0.2 -W 2 "$to.example.net"
	on "$from" ping -c 40 -i 0.1 -q "$(virtual4 "$to")"
	capture_stop "aim-$from"
	like "directly" "$(ctl mn)" 'liar\.example\.net.* up .*direct 192\.0\.2\.30:4330'
	at_least "$from asking, the bystander was named, and tried" "$(packets "aim-$from")" 1
	at_most "$from asking, it got 11 packets at most" "$(packets "aim-$from")" 11
	say "$from asking: $(packets "aim-$from") packets to the bystander"
	ctl mn forget liar.example.net >/dev/null
	ctl liar forget mn.example.net >/dev/null || true
done
