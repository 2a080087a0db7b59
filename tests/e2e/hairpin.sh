# shellcheck shell=bash
# Two nodes behind the same NAT that must not see each other, as guests of one network: with hairpin their way is the NAT's outer
# address, without it the relay.
# on: host
# on-long: uml uml/mixed
# timeout: 120
#
#   mn 10.0.0.10 --- guest1 --- r (NAT 192.0.2.254) --- internet --- dc 192.0.2.1, rs 192.0.2.2
#   cn 10.1.0.20 --- guest2 --/

net guest1 guest2 internet
router r
host dc rs mn cn
link r guest1 10.0.0.1/24
link r guest2 10.1.0.1/24
link r internet 192.0.2.254/24
link dc internet 192.0.2.1/24
link rs internet 192.0.2.2/24
link mn guest1 10.0.0.10/24
link cn guest2 10.1.0.20/24
gateway mn 10.0.0.1
gateway cn 10.1.0.1
on r nft add table ip guests
on r nft add chain ip guests apart '{ type filter hook forward priority 0; }'
on r nft add rule ip guests apart ct status dnat accept # which only the NAT's hairpin does here
on r nft add rule ip guests apart ip saddr 10.0.0.0/15 ip daddr 10.0.0.0/15 drop
for h in mn cn; do
	resolver $h 127.0.0.1 # nobody is there: names come from ntmd, or not at all
done
nat r internet
dc dc
rs rs rs dc
node mn mn dc
node cn cn dc

direct() { # HOST: by the NAT
	ctl "$1" | grep -q ' up .* direct 192\.0\.2\.254:[0-9]'
}

# again_behind OPTION...: the NAT is of another kind, and the nodes start again
again_behind() {
	local h
	nat r internet "$@"
	nat_reset r internet
	for h in mn cn; do
		again $h ntmd
	done
	for h in mn cn; do
		eventually 15 registered $h
	done
}

check_not "they do not see each other" on mn ping -c 1 -W 1 10.1.0.20
check "without hairpin they reach each other" on mn ping -c 15 -i 0.2 -W 2 cn.example.net
exits "by the relay" 4 ctl mn ping cn -c 1
like "and that says so" "$(ctl mn)" 'cn\.example\.net.* up .* relay rs\.example\.net '

for kind in full-cone address-restricted port-restricted; do
	again_behind --kind $kind --hairpin
	check "$kind, with hairpin: they reach each other" on mn ping -c 5 -i 0.2 -W 2 cn.example.net
	check "$kind: directly, by the NAT's outer address" eventually 5 direct mn
	check "$kind: both ways" eventually 2 direct cn
	exits "$kind: ntmctl ping ends with 0" 0 ctl mn ping cn -c 1
done
