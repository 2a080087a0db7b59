# shellcheck shell=bash
# A host's resolver that cannot be told of the zone at first is told later, though nothing else changes: here another one has it.
# on: host
# on-long: qemu-6.12 qemu-6.12/mixed
# timeout: 90
#
#   dc --- internet --- mn

net internet
host dc mn
link dc internet 192.0.2.1/24
link mn internet 192.0.2.10/24
dc dc
dns dc www.example.org=192.0.2.80
resolver mn 192.0.2.1

names_us() {
	grep -q '^nameserver 100\.64\.0\.1$' "$(file_of mn /etc/resolv.conf)"
}
REFUSED='example\.net: another ntmd looks after'

bg_ready mn other '^told: ' ntm-dns serve file lo example.com 127.0.0.9 - 192.0.2.99 2001:db8::99
node mn mn dc dns=file
check "the log says that the resolver does not know of the zone" eventually 5 logged_more mn ntmd "$REFUSED" 0
check_not "nor does it" names_us
is "other names are found" "$(on mn getent ahostsv4 www.example.org | awk '{ print $1; exit }')" 192.0.2.80
stop mn other
check "when it can be told, it is soon" eventually 15 names_us
is "names of the zone are found" "$(on mn getent ahostsv4 mn.example.net | awk '{ print $1; exit }')" "$(virtual4 mn)"
is "other names, too" "$(on mn getent ahostsv4 www.example.org | awk '{ print $1; exit }')" 192.0.2.80
is "the log has complained once" "$(logged mn ntmd "$REFUSED")" 1
stop mn ntmd
check_not "the end leaves nothing" names_us
