# shellcheck shell=bash
# ntmd and ntm-dc killed at any moment, a node's first registration among them: a node that begins again with the same join string
# is the node it was going to be, and nobody loses a key, a name or an address.
# on: host
# on-long: uml qemu-6.12/mixed
# timeout: 180
#
# The network: lib/one-net

# shellcheck source=tests/e2e/lib/one-net
. /mnt/lab/src/tests/e2e/lib/one-net
one_net
dc dc
node cn cn dc

# lease NAME: its addresses, as the coordinator has them
lease() {
	dc_ctl dc nodes | awk -v name="$1.example.net" '$1 == name { print $2, $3 }'
}
# pause MAX: so many milliseconds, or fewer
pause() {
	sleep "$(printf '0.%03d' $((RANDOM % $1)))"
}
# joins STRING: until it is registered; what was killed in between may have been first
joins() {
	registered mn || ctl mn join "$1" || registered mn
}

# The first registration: ntmd is killed in its midst, or the coordinator
node_start mn
lost='' moved=''
for i in {1..12}; do
	stop mn ntmd
	rm -rf "$(file_of mn /var/lib/ntmd)"
	again mn ntmd
	eventually 5 test -S "$(file_of mn /run/ntmd.sock)"
	string=$(dc_ctl dc invite "n$i")
	bg mn "join$i" ntmctl join "$string"
	pause 120
	if [ $((i % 3)) = 0 ]; then
		kill9 dc ntm-dc
		again dc ntm-dc
	else
		kill9 mn ntmd
		again mn ntmd
	fi
	before=$(lease "n$i")
	eventually 30 joins "$string" || lost="$lost n$i"
	# What the coordinator had given out stays
	case $before in
	'' | '- -') ;;
	*) [ "$(lease "n$i")" = "$before" ] || moved="$moved n$i" ;;
	esac
done
is "a node killed while it joins joins with the same string" "$lost" ""
is "and has the addresses that it was given at first" "$moved" ""
is "no two have the same" "$(dc_ctl dc nodes | awk 'NR > 1 && $2 != "-" { print $2 }' | sort | uniq -d)" ""

# Later
v4=$(virtual4 mn) v6=$(virtual6 mn)
for i in {1..12}; do
	kill9 mn ntmd
	again mn ntmd
	pause 400
done
check "killed twelve times while it starts, it registers" eventually 20 registered mn
is "as the same node" "$(virtual4 mn) $(virtual6 mn)" "$v4 $v6"
for i in {1..6}; do
	kill9 dc ntm-dc
	again dc ntm-dc
	pause 400
done
# As the coordinator sees it: until its next Keep Alive, mn thinks that it is
online() {
	dc_ctl dc nodes | awk '$1 == "n12.example.net" && $4 == "online" { online = 1 } END { exit !online }'
}
check "so does it with a coordinator that was" eventually 40 online
is "as the same node, still" "$(virtual4 mn) $(virtual6 mn)" "$v4 $v6"
check "and is found" eventually 30 on cn ping -c 1 -W 2 n12.example.net
