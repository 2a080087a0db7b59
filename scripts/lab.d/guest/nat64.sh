# shellcheck shell=bash
# NAT64: tayga translates each packet between the families, and the router's NAT gives what it made one IPv4 address.

NAT64_POOL=192.168.255
# tayga takes no address that is private or set aside for documentation below the well-known prefix, as RFC 6052 3.1 wants it
NAT64_PREFIX=2001:db8:64::/96

# nat64 ROUTER NET4 [PREFIX]: hosts behind ROUTER reach IPv4 hosts by NET4, at PREFIX with the IPv4 address in it
nat64() {
	local router=$1 net=$2 prefix=${3:-$NAT64_PREFIX} own6
	own6=$(ip -n "$router" -6 -o addr show scope global | awk '{ sub("/.*", "", $4); print $4; exit }')
	[ -n "$own6" ] || lab_die "nat64: '$router' has no IPv6 address"
	on "$router" mkdir -p /var/lib/tayga
	# tayga sends ICMP errors of its own from these addresses
	printf '%s\n' "tun-device nat64" "ipv4-addr $NAT64_POOL.1" "ipv6-addr $own6" "prefix $prefix" \
		"dynamic-pool $NAT64_POOL.0/24" "data-dir /var/lib/tayga" >"$(file_of "$router" /etc/tayga.conf)"
	packaged "$router" tayga --mktun -c /etc/tayga.conf >/dev/null
	ip -n "$router" link set nat64 up
	ip -n "$router" route add "$NAT64_POOL.0/24" dev nat64
	ip -n "$router" route add "$prefix" dev nat64
	bg_packaged "$router" tayga tayga --nodetach -c /etc/tayga.conf
	eventually 10 nat64_attached "$router" || lab_die "nat64: tayga on $router does not start: $(logs "$router" tayga)"
	nat "$router" "$net"
}

# nat64_attached ROUTER: tayga reads the device, which drops what it is given until then
nat64_attached() {
	[[ $(ip -n "$1" link show dev nat64) = *LOWER_UP* ]]
}
