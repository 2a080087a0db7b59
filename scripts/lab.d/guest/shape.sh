# shellcheck shell=bash
# What a link does to packets: rate, delay, jitter, loss, duplicates, wrong bits. The kernel does it (tbf, netem), or ntm-wire: where
# there is no netem, and for wrong bits, which netem puts only into what of a packet is not in fragments.

# link_set HOST NET [--rate R] [--delay D] [--jitter D] [--loss P] [--duplicate P] [--corrupt P] [--queue D]: change what a link does; "none" takes it away
link_set() {
	local host=$1 net=$2 shape value rate='' delay='' jitter='' loss='' duplicate='' corrupt='' queue='' key
	link_file "$host" "$net" >/dev/null
	shape=$LAB_STATE/links/$host@$net.shape
	shift 2
	while [ $# -gt 0 ]; do
		key=${1#--}
		[[ " rate delay jitter loss duplicate corrupt queue " = *" $key "* ]] || lab_die "link_set: no option '$1'"
		value=${2#none}
		echo "$key='$value'" >>"$shape"
		shift 2
	done
	# shellcheck disable=SC1090
	. "$shape"
	[ -z "$loss$duplicate" ] || rate=${rate:-100mbit}
	shape_link "$host" "$net" "$(port_of "$host" "$net")"
}

# Uses the variables rate, delay, jitter, loss, duplicate, corrupt, queue of its caller, as those below do
shape_link() {
	local host=$1 net=$2 port=$3
	if [ -z "$corrupt" ] && { [ -z "$delay$jitter$loss$duplicate" ] || has_netem; }; then
		wire_remove "$net" "$port"
		shape_device "$host" "$(if_of "$host" "$net")"
		shape_device "net.$net" "$port"
		return
	fi
	clear_device "$host" "$(if_of "$host" "$net")"
	clear_device "net.$net" "$port"
	[ -S "$(wire_socket "$net" "$port")" ] || wire_insert "$net" "$port"
	ntm-wire set "$(wire_socket "$net" "$port")" ${rate:+"rate=$rate"} ${delay:+"delay=$delay"} ${jitter:+"jitter=$jitter"} \
		${loss:+"loss=$loss"} ${duplicate:+"duplicate=$duplicate"} ${corrupt:+"corrupt=$corrupt"} ${queue:+"queue=$queue"}
}

has_netem() {
	local file=$LAB_STATE/netem
	[ -e "$file" ] || if tc qdisc add dev lo root netem delay 0ms 2>/dev/null; then
		tc qdisc del dev lo root
		echo yes >"$file"
	else
		echo no >"$file"
	fi
	[ "$(<"$file")" = yes ]
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

clear_device() {
	tc -n "$1" qdisc del dev "$2" root 2>/dev/null || true
}

# A token bucket with a peak rate cuts aggregates into what a wire carries, so that loss and the like act on single packets;
# its burst of 5 ms makes up for a timer that is late.
shape_device() {
	local ns=$1 dev=$2 burst bps netem=() tbf=()
	clear_device "$ns" "$dev"
	[ -z "$delay$jitter$loss$duplicate" ] || netem=(netem limit 10000 delay "${delay:-0ms}")
	[ -z "$jitter" ] || netem+=("$jitter")
	[ -z "$loss" ] || netem+=(loss "$loss")
	[ -z "$duplicate" ] || netem+=(duplicate "$duplicate")
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

wire_socket() {
	echo "$LAB_STATE/links/$1.$2.wire"
}

# wire_insert NET PORT: between the port and the network, while it is in use. The kernel joins the port with one end of the
# wire by a bridge of their own, and cuts aggregates there, because the wire takes none.
#
#   host eth0 ==== PORT - PORTw - PORTa ==== ntm-wire ==== PORTb - br0
wire_insert() {
	local ns=net.$1 port=$2 mtu dev
	mtu=$(mtu_of "$ns" "$port")
	nsenter --net="/run/netns/$ns" ntm-wire run "$(wire_socket "$1" "$port")" "${port}a" "${port}b" </dev/null
	ip -n "$ns" link add "${port}w" type bridge forward_delay 0 stp_state 0 mcast_snooping 0
	for dev in "${port}a" "${port}b" "${port}w"; do
		ip -n "$ns" link set "$dev" mtu "$mtu" txqueuelen 4000 up
	done
	ip -n "$ns" link set "${port}a" master "${port}w"
	ip -n "$ns" link set "${port}b" master br0
	ip -n "$ns" link set "$port" master "${port}w"
}

# ntm-wire ends when its devices do.
wire_remove() {
	local ns=net.$1 port=$2
	[ -S "$(wire_socket "$1" "$port")" ] || return 0
	ip -n "$ns" link set "$port" master br0
	ip -n "$ns" link del "${port}a"
	ip -n "$ns" link del "${port}w"
	rm -f "$(wire_socket "$1" "$port")"
}
