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

# The mount and UTS namespaces of a host; files under $LAB_STATE/ns keep them
host_enter() {
	local name=$1 dir=$LAB_STATE/hosts/$1 ns=$LAB_STATE/ns/$1
	: >"$ns.mnt"
	: >"$ns.uts"
	# shellcheck disable=SC2016 # expanded by the inner shell
	nsenter --net="/run/netns/$name" unshare --mount="$ns.mnt" --uts="$ns.uts" sh -e -c '
		mount --bind "$1/etc" /etc
		mount --bind "$1/lib" /var/lib
		mount -t sysfs sysfs /sys
		mount --bind "$1/run" /run
		hostname "$2"
		ip link set lo up
		cd /proc/sys/net
		for conf in all default; do
			echo 0 >ipv6/conf/$conf/accept_dad
			echo 0 >ipv6/conf/$conf/accept_ra
		done
		echo 0 2147483647 >ipv4/ping_group_range' sh "$dir" "$name"
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

# link HOST NET [ADDRESS/LEN...] [--as IF] [--mtu N] [--rate R] [--delay D] [--jitter D] [--loss P] [--queue D]
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
	[ ${#shape[@]} = 0 ] || link_set "$host" "$net" "${shape[@]}"
	ip -n "net.$net" link set "$port" master br0 up
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

# link_set HOST NET [--rate R] [--delay D] [--jitter D] [--loss P] [--queue D]: change what a link does; "none" takes it away
link_set() {
	local host=$1 net=$2 file shape rate='' delay='' jitter='' loss='' queue='' key
	file=$(link_file "$host" "$net")
	shape=$LAB_STATE/links/$host@$net.shape
	shift 2
	while [ $# -gt 0 ]; do
		key=${1#--}
		[[ " rate delay jitter loss queue " = *" $key "* ]] || lab_die "link_set: no option '$1'"
		[ "$2" != none ] || set -- "$1" ''
		echo "$key='$2'" >>"$shape"
		shift 2
	done
	# shellcheck disable=SC1090
	. "$shape"
	shape_device "$host" "$(if_of "$host" "$net")"
	shape_device "net.$net" "$(port_of "$host" "$net")"
	: "$file"
}

# Bits per second of 20mbit, 1gbit, 500kbit
bits() {
	local n=${1%%[a-z]*}
	case ${1#"$n"} in
	kbit) echo $((n * 1000)) ;;
	mbit) echo $((n * 1000000)) ;;
	gbit) echo $((n * 1000000000)) ;;
	bit) echo "$n" ;;
	*) lab_die "'$1' is no rate (20mbit, 1gbit)" ;;
	esac
}

# Uses the variables rate, delay, jitter, loss, queue of its caller.
# A token bucket with a peak rate cuts aggregates into what a wire carries, so that loss and delay act on single packets;
# its burst of 5 ms makes up for a timer that is late.
shape_device() {
	local ns=$1 dev=$2 burst bps netem=() tbf=()
	tc -n "$ns" qdisc del dev "$dev" root 2>/dev/null || true
	[ -z "$loss" ] || rate=${rate:-100mbit}
	[ -z "$delay$jitter$loss" ] || netem=(netem limit 10000 delay "${delay:-0ms}")
	[ -z "$jitter" ] || netem+=("$jitter")
	[ -z "$loss" ] || netem+=(loss "$loss")
	if [ -n "$rate" ]; then
		bps=$(bits "$rate")
		burst=$((bps / 8 / 200))
		tbf=(tbf rate "$rate" burst $((burst > 5000 ? burst : 5000)) latency "${queue:-50ms}")
		[ "$bps" -gt 200000000 ] || tbf+=(peakrate 10gbit mtu $(($(mtu_of "$ns" "$dev") + 200)))
		tc -n "$ns" qdisc add dev "$dev" root handle 1: "${tbf[@]}"
		[ ${#netem[@]} = 0 ] || tc -n "$ns" qdisc add dev "$dev" parent 1: handle 2: "${netem[@]}"
	elif [ ${#netem[@]} -gt 0 ]; then
		tc -n "$ns" qdisc add dev "$dev" root handle 2: "${netem[@]}"
	fi
}

mtu_of() {
	ip -n "$1" -o link show dev "$2" | sed -nE 's/.* mtu ([0-9]+).*/\1/p'
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
	ip -n "$1" link del "$(if_of "$1" "$2")"
	rm -f "$LAB_STATE/links/$1@$2" "$LAB_STATE/links/$1@$2.shape"
}

# nat ROUTER NET: IPv4 that leaves ROUTER by NET gets ROUTER's address there
nat() {
	local dev
	dev=$(if_of "$1" "$2")
	[ "${3:-masquerade}" = masquerade ] || lab_die "nat: no kind '$3' (there is: masquerade)"
	on "$1" nft -f - <<-NFT
		table ip lab_nat_$dev {
			chain post {
				type nat hook postrouting priority srcnat
				oifname "$dev" masquerade
			}
		}
	NFT
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
		args+=("--host-record=${pair%%=*},${pair#*=}")
	done
	bg "$host" dnsmasq dnsmasq --keep-in-foreground --user=root --no-resolv --no-hosts --no-daemon --log-queries --pid-file= \
		--bind-interfaces --address=/#/ "${args[@]}"
	eventually 10 listens "$host" udp 53 || lab_die "dns: the server on $host does not start: $(logs "$host" dnsmasq)"
}
