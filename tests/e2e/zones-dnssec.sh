# shellcheck shell=bash
# A coordinator that wants the other zone's records signed: unsigned ones, signed ones, and ones that were changed on the way.
# module: no
# on: host
# on-long: qemu-6.12
# without: kernel mixed: coordinators, and no node
# timeout: 200
# packages: nsd unbound ldnsutils
#
#   ns 192.0.2.53 (root, a.example, b.example), res 192.0.2.54 ---- internet ---- dca, dcb

net internet
host ns res dca dcb
link ns internet 192.0.2.53/24
link res internet 192.0.2.54/24
link dca internet 192.0.2.1/24
link dcb internet 192.0.2.2/24
package ns ldnsutils
nsd ns . <<-ZONE
	a.example.	NS ns.a.example.
	ns.a.example.	A 192.0.2.53
	b.example.	NS ns.b.example.
	ns.b.example.	A 192.0.2.53
ZONE
unbound res --root 192.0.2.53
resolver dca 192.0.2.54
resolver dcb 192.0.2.54

# The zone's key, which is all that is needed: it is the anchor itself
on ns sh -c 'cd /run && ldns-keygen -k -a ECDSAP256SHA256 b.example' >"$LAB_OUT/key"
key=$(cat "$LAB_OUT/key")
mkdir -p "$(file_of dca /etc/ntmobile)"
cp "$(file_of ns "/run/$key.key")" "$(file_of dca /etc/ntmobile/anchor)"

publish() {
	dc_ctl "$1" key | sed 's/ 3600 / 2 /' | nsd ns "$2"
}
zone_file=$(file_of ns /etc/nsd)/zones/of:b.example.
sign() {
	on ns ldns-signzone -o b.example -f /etc/nsd/signed /etc/nsd/zones/of:b.example. "/run/$key" &&
		mv "$(file_of ns /etc/nsd/signed)" "$zone_file" && again ns nsd
}
zone_is() {
	dc_ctl dca zones --json | grep -q "\"state\": \"$1\""
}
why_is() {
	dc_ctl dca zones | grep -q "$1"
}

exits "to require signatures takes an anchor" 2 on dca sh -c \
	'printf "[dc]\nzone=a.example\npool4=10.0.0.0/8\ndnssec=require\n" >/run/x.conf; ntm-dc -c /run/x.conf status'
dc dca zone=a.example pool4=100.64.0.0/16 peer-zones=b.example dnssec=require trust-anchor=/etc/ntmobile/anchor
dc dcb zone=b.example pool4=100.65.0.0/16 peer-zones=a.example
publish dca a.example
publish dcb b.example
check "a zone that is not signed is not believed" eventually 30 why_is "DNSSEC: "
check_not "and not met" zone_is ready

check "the zone is signed" sign
check "then it is" eventually 60 zone_is ready

# Somebody changes the key on its way
sed -i -E 's/(TXT.*k=)..../\1AAAA/' "$zone_file"
again ns nsd
sleep 3 # what the resolver remembers is old then
dc_ctl dca forget b.example
check "a changed record is bogus" eventually 60 why_is "DNSSEC: bogus"
