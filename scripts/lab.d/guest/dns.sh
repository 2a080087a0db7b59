# shellcheck shell=bash
# DNS as it is in the internet: nsd has zones, from the root on, and unbound resolves names by asking from there.

# nsd HOST ZONE <RECORDS: the host is a name server of this zone ("." for the root). RECORDS are lines of a zone file; SOA and the
# zone's own NS come by themselves, as ns.ZONE with the host's addresses. A second call for a zone replaces it.
nsd() {
	local host=$1 zone=${2%.}. dir
	need_host "$host"
	dir=$(file_of "$host" /etc/nsd)
	mkdir -p "$dir/zones"
	{
		zone_head "$host" "$zone"
		cat
	} >"$dir/zones/of:$zone"
	nsd_conf "$host" "$dir" >"$dir/nsd.conf"
	if [ -e "$LAB_STATE/procs/$host.nsd.pid" ]; then
		again "$host" nsd
	else
		bg_packaged "$host" nsd nsd -d -c /etc/nsd/nsd.conf
	fi
	eventually 10 answers "$host" "$zone" || lab_die "nsd: the server on $host does not have $zone: $(logs "$host" nsd)"
}

zone_head() {
	local addr serial
	serial=$(next_number serial)
	printf '%s\n' "\$ORIGIN $2" "\$TTL 60"
	echo "@ SOA ns hostmaster $((serial + 1)) 3600 600 86400 5"
	echo "@ NS ns"
	for addr in $(plain_addresses_of "$1"); do
		if [[ $addr = *:* ]]; then echo "ns AAAA $addr"; else echo "ns A $addr"; fi
	done
}

# It answers from the address that was asked only if it knows its addresses
nsd_conf() {
	local addr file
	printf '%s\n' 'server:' 'username: ""' 'pidfile: ""' 'zonesdir: "/etc/nsd/zones"' 'database: ""' 'server-count: 1' \
		'xfrdfile: ""' 'zonelistfile: "/run/nsd.zones"'
	for addr in $(plain_addresses_of "$1"); do
		echo "ip-address: $addr"
	done
	printf '%s\n' 'remote-control:' 'control-enable: no'
	for file in "$2"/zones/*; do
		printf '%s\n' 'zone:' "name: \"${file##*/of:}\"" "zonefile: \"${file##*/}\""
	done
}

plain_addresses_of() {
	ip -n "$1" -o addr show scope global | awk '{ sub("/.*", "", $4); print $4 }'
}

# answers HOST ZONE: whether its server has the zone
answers() {
	local addr
	addr=$(plain_addresses_of "$1" | head -n 1)
	on "$1" dig +short +norecurse +tries=1 +time=1 "@$addr" "$2" SOA | grep -q .
}

# unbound HOST [--root ADDRESS]... [--forward ADDRESS]... [--dns64 PREFIX]: a resolver for everybody, which asks the servers of the
# root, or passes questions on to others. With --dns64 names without an IPv6 address get one below PREFIX.
unbound() {
	local host=$1
	need_host "$host"
	shift
	on "$host" mkdir -p /etc/unbound
	unbound_conf "$host" "$@"
	bg_packaged "$host" unbound unbound -d -c /etc/unbound/unbound.conf
	eventually 10 listens "$host" udp 53 || lab_die "unbound: the resolver on $host does not start: $(logs "$host" unbound)"
}

unbound_conf() {
	local dir modules=iterator prefix='' forward=() hints=''
	dir=$(file_of "$1" /etc/unbound)
	shift
	: >"$dir/root.hints"
	while [ $# -gt 0 ]; do
		case $1 in
		--root) root_hint "$2" $((++hints)) >>"$dir/root.hints" ;;
		--forward) forward+=("$2") ;;
		--dns64) modules="dns64 iterator" prefix=$2 ;;
		*) lab_die "unbound: no option '$1'" ;;
		esac
		shift 2
	done
	{
		printf '%s\n' 'server:' 'username: ""' 'chroot: ""' 'directory: "/etc/unbound"' 'pidfile: ""' 'use-syslog: no' \
			'do-daemonize: no' 'num-threads: 1' 'interface: 0.0.0.0' 'interface: ::0' 'interface-automatic: yes' \
			'access-control: 0.0.0.0/0 allow' 'access-control: ::0/0 allow' \
			'do-not-query-localhost: no' 'infra-host-ttl: 5' 'infra-keep-probing: yes' 'cache-max-negative-ttl: 1' 'log-servfail: yes' \
			"module-config: \"$modules\""
		[ -z "$prefix" ] || echo "dns64-prefix: $prefix"
		[ -z "$hints" ] || echo 'root-hints: "root.hints"'
		# Zones that are never asked of others, unless one says so
		printf 'local-zone: "%s" nodefault\n' test. 168.192.in-addr.arpa. 10.in-addr.arpa. 2.0.192.in-addr.arpa. \
			100.51.198.in-addr.arpa. 113.0.203.in-addr.arpa.
		printf '%s\n' 'remote-control:' 'control-enable: no'
		[ ${#forward[@]} = 0 ] || printf '%s\n' 'forward-zone:' 'name: "."' "${forward[@]/#/forward-addr: }"
	} >"$dir/unbound.conf"
}

root_hint() {
	local type=A
	[[ $1 != *:* ]] || type=AAAA
	printf '. 3600000 NS root%s.\nroot%s. 3600000 %s %s\n' "$2" "$2" "$type" "$1"
}
