# shellcheck shell=bash
# Networks, hosts and links. A host is a network namespace with its own /etc, /run, /var/lib and host name;
# a network is a namespace with a bridge in it.

# net NAME...: networks, to which hosts are linked
net() {
	local name
	for name in "$@"; do
		ip netns add "net.$name"
		ip -n "net.$name" link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0
		ip -n "net.$name" link set br0 up
		nsenter --net="/run/netns/net.$name" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'
		: >"$LAB_STATE/nets/$name"
	done
}

# host NAME...
host() {
	local name
	for name in "$@"; do
		[[ $name =~ ^[a-z0-9][a-z0-9-]*$ ]] || lab_die "host: '$name' is no host name"
		[ ! -d "$LAB_STATE/hosts/$name" ] || lab_die "host: there is a host '$name' already"
		ip netns add "$name"
		host_files "$name"
		host_enter "$name"
	done
}

host_files() {
	local dir=$LAB_STATE/hosts/$1
	mkdir -p "$dir/run/sshd" "$dir/lib" "$dir/proc"
	cp -a /etc "$dir/etc"
	echo "$1" >"$dir/etc/hostname"
	echo "127.0.1.1 $1" >>"$dir/etc/hosts"
	: >"$dir/etc/resolv.conf"
}

# The mount and UTS namespaces of a host. A process that sleeps keeps them: files would do, but newer kernels number mount
# namespaces in no order, and refuse some such files because they might make a loop. It is no child of the scenario's shell,
# which may wait for its children.
host_enter() {
	local name=$1 dir=$LAB_STATE/hosts/$1 ns=$LAB_STATE/ns/$1 fd pid
	# shellcheck disable=SC2016 # expanded by the inner shell
	exec {fd}< <(nsenter --net="/run/netns/$name" unshare --mount --uts sh -e -c '
		mount --bind "$1/etc" /etc
		mount --bind "$1/lib" /var/lib
		mount -t sysfs -o ro sysfs /sys
		mount --bind "$1/run" /run
		hostname "$2"
		ip link set lo up
		cd /proc/sys/net
		for conf in all default; do
			echo 0 >ipv6/conf/$conf/accept_dad
			echo 0 >ipv6/conf/$conf/accept_ra
		done
		echo 0 2147483647 >ipv4/ping_group_range
		cd /
		echo $$
		exec sleep infinity >/dev/null' sh "$dir" "$name" &)
	read -r pid <&"$fd" || lab_die "host: '$name' does not start"
	exec {fd}<&-
	ln -s "/proc/$pid/ns/mnt" "$ns.mnt"
	ln -s "/proc/$pid/ns/uts" "$ns.uts"
}

# router NAME...: hosts that forward
router() {
	local name
	host "$@"
	for name in "$@"; do
		on "$name" sh -c 'cd /proc/sys/net; echo 1 >ipv4/ip_forward; echo 1 >ipv6/conf/all/forwarding'
	done
}

need_host() {
	[ -d "$LAB_STATE/hosts/$1" ] || lab_die "there is no host '$1'"
}

link_file() {
	[ -e "$LAB_STATE/links/$1@$2" ] || lab_die "host '$1' has no link to '$2'"
	echo "$LAB_STATE/links/$1@$2"
}

# link HOST NET [ADDRESS/LEN...] [--as IF] [--mtu N] [--rate R] [--delay D] [--jitter D] [--loss P] [--duplicate P] [--queue D]
link() {
	local host=$1 net=$2 as='' mtu='' port addr addrs=() shape=() family6=1
	shift 2
	need_host "$host"
	[ -e "$LAB_STATE/nets/$net" ] || lab_die "link: there is no network '$net'"
	[ ! -e "$LAB_STATE/links/$host@$net" ] || lab_die "link: '$host' is linked to '$net' already"
	while [ $# -gt 0 ]; do
		case $1 in
		--as) as=$2 && shift ;;
		--mtu) mtu=$2 && shift ;;
		--*) shape+=("$1" "${2:?link: $1 needs a value}") && shift ;;
		*) addrs+=("$1") ;;
		esac
		shift
	done
	as=${as:-$(next_interface "$host")}
	port=p$(next_number port)
	ip -n "$host" link add "$as" ${mtu:+mtu "$mtu"} type veth peer name "$port" ${mtu:+mtu "$mtu"} netns "net.$net"
	printf 'LINK_IF=%s LINK_PORT=%s\n' "$as" "$port" >"$LAB_STATE/links/$host@$net"
	[[ " ${addrs[*]}" = *:* ]] || family6=0
	[ $family6 = 1 ] || on "$host" sh -c "echo 1 >/proc/sys/net/ipv6/conf/$as/disable_ipv6"
	for addr in "${addrs[@]}"; do
		addr_add "$host" "$net" "$addr"
	done
	ip -n "net.$net" link set "$port" master br0
	[ ${#shape[@]} = 0 ] || link_set "$host" "$net" "${shape[@]}"
	ip -n "net.$net" link set "$port" up
	ip -n "$host" link set "$as" up
}

next_number() {
	local n=0 file=$LAB_STATE/next.$1
	[ ! -e "$file" ] || n=$(<"$file")
	echo $((n + 1)) >"$file"
	echo "$n"
}

next_interface() {
	echo "eth$(next_number "$1.if")"
}

# The interface by which HOST is linked to NET
if_of() {
	local LINK_IF LINK_PORT file
	file=$(link_file "$1" "$2")
	# shellcheck disable=SC1090
	. "$file"
	echo "$LINK_IF"
}

port_of() {
	local LINK_IF LINK_PORT file
	file=$(link_file "$1" "$2")
	# shellcheck disable=SC1090
	. "$file"
	echo "$LINK_PORT"
}

# addr_add HOST NET ADDRESS/LEN, addr_del HOST NET ADDRESS/LEN
addr_add() {
	local dev
	dev=$(if_of "$1" "$2")
	if [[ $3 = *:* ]]; then
		on "$1" sh -c "echo 0 >/proc/sys/net/ipv6/conf/$dev/disable_ipv6"
		ip -n "$1" addr add "$3" dev "$dev" nodad
	else
		ip -n "$1" addr add "$3" dev "$dev"
	fi
}

addr_del() {
	ip -n "$1" addr del "$3" dev "$(if_of "$1" "$2")"
}

# gateway HOST ADDRESS...: the default route of each family
gateway() {
	local host=$1 addr
	shift
	need_host "$host"
	for addr in "$@"; do
		ip -n "$host" route replace default via "$addr"
	done
}

# unplug HOST NET, plug HOST NET: the cable; the interface stays, without carrier
unplug() {
	ip -n "net.$2" link set "$(port_of "$1" "$2")" down
}

plug() {
	ip -n "net.$2" link set "$(port_of "$1" "$2")" up
}

# link_down HOST NET, link_up HOST NET: the interface, as "ip link set down" does; IPv6 addresses go with it
link_down() {
	ip -n "$1" link set "$(if_of "$1" "$2")" down
}

link_up() {
	ip -n "$1" link set "$(if_of "$1" "$2")" up
}

# unlink HOST NET: take the interface out of the machine
unlink() {
	wire_remove "$2" "$(port_of "$1" "$2")"
	ip -n "$1" link del "$(if_of "$1" "$2")"
	rm -f "$LAB_STATE/links/$1@$2" "$LAB_STATE/links/$1@$2.shape"
}

# resolver HOST ADDRESS...: /etc/resolv.conf
resolver() {
	local host=$1 addr
	shift
	need_host "$host"
	for addr in "$@"; do
		echo "nameserver $addr"
	done >"$LAB_STATE/hosts/$host/etc/resolv.conf"
}

# hosts_entry HOST ADDRESS NAME...: a line of /etc/hosts
hosts_entry() {
	local host=$1
	shift
	need_host "$host"
	echo "$*" >>"$LAB_STATE/hosts/$host/etc/hosts"
}

# file_of HOST PATH: where a file of HOST's /etc, /run or /var/lib is seen from the scenario
file_of() {
	case $2 in
	/etc/* | /run/*) echo "$LAB_STATE/hosts/$1$2" ;;
	/var/lib/*) echo "$LAB_STATE/hosts/$1${2#/var}" ;;
	*) echo "$2" ;;
	esac
}

# dns HOST [NAME=ADDRESS[,ADDRESS]...]: a DNS server that knows these names and no other
dns() {
	local host=$1 pair args=()
	shift
	for pair in "$@"; do
		case $pair in
		--*) args+=("$pair") ;;
		*) args+=("--host-record=${pair%%=*},${pair#*=}") ;;
		esac
	done
	bg "$host" dnsmasq dnsmasq --keep-in-foreground --user=root --no-resolv --no-hosts --no-daemon --log-queries --pid-file= \
		--bind-interfaces --address=/#/ "${args[@]}"
	eventually 10 listens "$host" udp 53 || lab_die "dns: the server on $host does not start: $(logs "$host" dnsmasq)"
}
