# shellcheck shell=bash
# A coordinator that strangers flood with Session Requests, each of another key: it answers them by cookies, does the costly part of a
# handshake for few, also of one who returns his cookie, and nodes register and find each other as ever.
# on: host
# on-long: uml uml/mixed
# timeout: 120
# An emulated machine's coordinator does not come to the limit: its handshakes take too long.
#
#   dc ---- internet ---- mn, cn, evil

# shellcheck source=tests/e2e/lib/process
. /mnt/lab/src/tests/e2e/lib/process

net internet
host dc mn cn evil
link dc internet 192.0.2.1/24
link mn internet 192.0.2.10/24
link cn internet 192.0.2.20/24
link evil internet 192.0.2.66/24
dns dc
resolver mn 192.0.2.1
dc dc
node mn mn dc

counter() {
	dc_ctl dc status | sed -nE "s/^$1: ([0-9]+)\$/\1/p"
}
flooded() {
	[ "$(counter cookie_replies)" -ge 200 ]
}

key=$(dc_ctl dc status | sed -n 's/^key: //p')
handshakes=$(counter handshakes) cookies=$(counter cookie_replies)
bg evil flood ntm-stranger request 192.0.2.1 "$key" 0 5000 8000
check "a flood gets cookies" eventually 10 flooded
node cn cn dc
check "in the midst of it a node has joined" running evil flood
# More than one packet: cn's kernel answers by IPv6 only after a worker of its own has put the new address to use, and it is busy
check "and is found by its name" on mn ping -c 5 -i 0.3 -W 2 cn.example.net
again mn ntmd
check "one that starts anew is registered" eventually 10 registered mn
check "all the while the flood went on" running evil flood
wait_for evil flood 60
handshakes=$(($(counter handshakes) - handshakes)) cookies=$(($(counter cookie_replies) - cookies))
say "8000 requests: $cookies cookies, $handshakes handshakes; $(logs evil flood)"
at_least "most requests got a cookie" "$cookies" 4000
at_most "hands were shaken with few" "$handshakes" 500
at_most "and no answer is longer than what it answers" "$(logs evil flood | awk '/ answers, / { print $3 / $1 }')" 140

# 1000 at once and 100 a second are what one address may have, and as many a second are had before anybody is asked for a cookie
refused() {
	[ "$(counter drop_rate)" -ge 200 ]
}
handshakes=$(counter handshakes) memory=$(rss_of "$(pid_of dc ntm-dc)")
started=$(now_ms)
bg evil insistent ntm-stranger insist 192.0.2.1 "$key" 8000
check "one who returns his cookie gets no further than others" eventually 20 refused
again cn ntmd
check "in the midst of it one starts anew, and is registered" eventually 10 registered cn
check "all the while he went on" running evil insistent
wait_for evil insistent 60
handshakes=$(($(counter handshakes) - handshakes)) memory=$(($(rss_of "$(pid_of dc ntm-dc)") - memory))
seconds=$((($(now_ms) - started) / 1000 + 1))
say "8000 requests with a cookie in $seconds s: $handshakes handshakes; $memory kB"
at_most "hands were shaken with so many" "$handshakes" $((1000 + 200 * seconds))
at_most "who take a bounded room" "$memory" 1000
like "nothing else came of it" "$(dc_ctl dc nodes | grep -c .)" '^3$'
