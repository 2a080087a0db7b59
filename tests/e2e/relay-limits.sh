# shellcheck shell=bash
# Limits of relay servers, with real nodes: one that has no room for another path of a node refuses it, and the other one takes it; one that
# has a limit of bytes for a path, or for a node, holds it, and other paths and nodes do not feel it.
# on: host
# on-long: uml/mixed qemu-6.12 qemu-6.12/mixed
# timeout: 300
#
#   mn 192.0.2.10, other 192.0.2.11 ---- v4 ---- dc, one, two ---- v6 ---- 2001:db8::20 c1, ::21 c2
#
# All pairs are relayed. Relay server one has room for one path of a node.

net v4 v6
host dc one two mn other c1 c2
link dc v4 192.0.2.1/24
link dc v6 2001:db8::1/64
link one v4 192.0.2.2/24
link one v6 2001:db8::2/64
link two v4 192.0.2.3/24 --delay 5ms # the worse one
link two v6 2001:db8::3/64 --delay 5ms
link mn v4 192.0.2.10/24
link other v4 192.0.2.11/24
link c1 v6 2001:db8::20/64
link c2 v6 2001:db8::21/64
for h in mn other c1 c2; do
	resolver $h 127.0.0.1 # nobody is there: names come from ntmd, or not at all
done
dc dc
rs one one dc node-paths=1
rs two two dc
for h in mn other c1 c2; do
	node $h $h dc
done
relay_of() {
	ctl "$1" | sed -nE "s/^$2\.example\.net .* up .* relay ([a-z]+)\.example\.net .*/\1/p"
}
counter() {
	rs_ctl "$1" status --json | sed -nE "s/^ *\"$2\": ([0-9]+),?/\1/p" | head -n 1
}
rate_drops() {
	rs_ctl "$1" status --drops | awk '$1 == "data" && $2 == "rate" { print $3 }'
}
# carried HOST PEER SECONDS: kbit/s of one TCP flow, as its receiver counts them
carried() {
	iperf_server "$2"
	on "$1" timeout $(($3 + 10)) iperf3 -c "$(virtual4 "$2")" -t "$3" --connect-timeout 5000 -f k |
		awk '$NF == "receiver" { print int($7) }'
}
# rs_set HOST LINE...: into its configuration, in place of limits of bytes
rs_set() {
	local host=$1 file before
	shift
	file=$(file_of "$host" /etc/ntmobile/ntm-rs.conf)
	before=$(logs "$host" ntm-rs | grep -c 'configuration reloaded' || true)
	sed -i '/-rate/d' "$file"
	printf '%s\n' "$@" >>"$file"
	send_signal "$host" ntm-rs HUP
	reloaded() { [ "$(logs "$host" ntm-rs | grep -c 'configuration reloaded')" -gt "$before" ]; }
	eventually 5 reloaded
}

# Bytes of a node: mn and c2 have theirs, other and c1 have theirs, wherever they are relayed. 50 kbyte/s are 400 kbit/s,
# and 64 KB may come at once, which is 130 kbit/s more over 4 s
MOST=540
check "two paths, of two nodes each" on mn ping -c 2 -i 0.2 -W 2 c2.example.net
check "the other one" on other ping -c 2 -i 0.2 -W 2 c1.example.net
for h in one two; do
	rs_set $h node-rate=50000
done
# More than that is sent, and at a steady rate, which TCP would not
flood() {
	iperf_server "$2"
	bg "$1" "flood-$2" timeout 25 iperf3 -c "$(virtual4 "$2")" -u -b 600k -l 1000 -t 5 --connect-timeout 5000 -f k
}
flooded() {
	wait_for "$1" "flood-$2" 30
	logs "$1" "flood-$2" | awk '$NF == "receiver" { print int($7) }'
}
flood other c1
flood mn c2
kbits=$(flooded mn c2) own=$(flooded other c1)
say "a limit of 400 kbit/s for a node: $kbits kbit/s, and of others beside it $own kbit/s"
at_most "a limit for a node holds" "$kbits" $MOST
at_most "for each" "$own" $MOST
at_least "and none takes from the other's" $((kbits + own)) 500
for h in one two; do
	rs_set $h
done
at_least "without a limit all passes again" "$(carried mn c2 2)" 800

# Room for one path of a node: mn and c1 have theirs
refused=$(counter one directions_refused)
check "one more path of nodes that have one" on mn ping -c 2 -i 0.2 -W 2 c1.example.net
at_least "is refused by the relay server that has no room" "$(counter one directions_refused)" $((refused + 1))
is "and the other one carries it" "$(relay_of mn c1)" two
is "at both ends" "$(relay_of c1 mn)" two
check "the first goes on" on mn ping -c 2 -i 0.2 -W 2 "$(virtual4 c2)"

# Bytes of a path
rs_set two path-rate=50000
dropped=$(rate_drops two)
kbits=$(carried mn c1 4)
say "a limit of 400 kbit/s: $kbits kbit/s"
at_most "a limit for a path holds" "$kbits" $MOST
at_least "and does not choke it" "$kbits" 100
at_least "what was too much is counted" "$(rate_drops two)" $((dropped + 1))
rs_set two
at_least "without it more passes" "$(carried mn c1 2)" 800
