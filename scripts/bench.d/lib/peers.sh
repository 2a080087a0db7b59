# shellcheck shell=bash
# The other tunnels of the bench, on hosts a and b: each as Debian has it, with its fastest settings that encrypt and authenticate.

PACKAGES=/mnt/lab/packages
PEER_LIBS=$(printf '%s:' "$PACKAGES"/*/{usr/,}lib/"$(uname -m)"-linux-gnu)
TINC_CIPHER=aes-128-cbc
TINC_DIGEST=sha1
OPENVPN_CIPHER=AES-256-GCM
FASTD_METHOD=salsa2012+umac

# program NAME: where it is
program() {
	case $1 in
	wireguard-go | fastd) echo "$PACKAGES/$1/usr/bin/$1" ;;
	openvpn) echo "$PACKAGES/openvpn/usr/sbin/openvpn" ;;
	tinc) echo "$PACKAGES/tinc/usr/sbin/tincd" ;;
	esac
}

# peer HOST NAME ARG...: run its program
peer() {
	on "$1" env LD_LIBRARY_PATH="$PEER_LIBS" "$(program "$2")" "${@:3}"
}

# peer_bg HOST NAME ARG...: the same in the background
peer_bg() {
	bg "$1" "$2" env LD_LIBRARY_PATH="$PEER_LIBS" "$(program "$2")" "${@:3}"
}

peer_number() {
	case $1 in
	wireguard-go) echo 1 ;;
	tinc) echo 2 ;;
	openvpn) echo 3 ;;
	fastd) echo 4 ;;
	esac
}

# peer_address NAME [HOST]
peer_address() {
	local last=2
	[ "${2:-b}" = b ] || last=1
	echo "10.98.$(peer_number "$1").$last"
}

outer_address() {
	[ "$1" = a ] && echo 192.0.2.1 || echo 192.0.2.2
}

other() {
	[ "$1" = a ] && echo b || echo a
}

# device_up HOST NAME DEVICE: when the program has made it
device_up() {
	eventually 10 ip -n "$1" link show dev "$3" >/dev/null 2>&1
	ip -n "$1" link set "$3" mtu "$MTU" up
	ip -n "$1" addr replace "$(peer_address "$2" "$1")/24" dev "$3"
}

wireguard_side() {
	local host=$1 peer
	peer=$(other "$1")
	peer_bg "$host" wireguard-go -f wg0
	eventually 10 on "$host" test -S /run/wireguard/wg0.sock
	on "$host" wg set wg0 listen-port 51820 private-key "/tmp/wg.$host" \
		peer "$(wg pubkey <"/tmp/wg.$peer")" allowed-ips 10.98.1.0/24 endpoint "$(outer_address "$peer"):51820"
	device_up "$host" wireguard-go wg0
}

wireguard_start() {
	(umask 077 && wg genkey >/tmp/wg.a && wg genkey >/tmp/wg.b)
	wireguard_side a
	wireguard_side b
}

# tinc 1.0 has no AEAD; a stream cipher would use the same key stream for every packet
tinc_conf() {
	local host=$1 dir=/tmp/tinc.$1
	mkdir -p "$dir/hosts"
	printf '%s\n' "Name = $host" "Interface = tinc0" "DeviceType = tun" "AddressFamily = ipv4" "BindToAddress = $(outer_address "$host")" >"$dir/tinc.conf"
	[ "$host" = b ] || echo "ConnectTo = b" >>"$dir/tinc.conf"
	printf '%s\n' "Address = $(outer_address "$host")" "Subnet = $(peer_address tinc "$host")/32" \
		"Cipher = $TINC_CIPHER" "Digest = $TINC_DIGEST" "Compression = 0" >"$dir/hosts/$host"
	printf '#!/bin/sh\n' >"$dir/tinc-up"
	chmod +x "$dir/tinc-up"
	peer "$host" tinc -c "$dir" --generate-keys=2048 </dev/null
}

tinc_start() {
	local host
	tinc_conf a
	tinc_conf b
	cp /tmp/tinc.a/hosts/a /tmp/tinc.b/hosts/
	cp /tmp/tinc.b/hosts/b /tmp/tinc.a/hosts/
	for host in b a; do
		peer_bg "$host" tinc -c "/tmp/tinc.$host" -D --pidfile="/tmp/tinc.$host/pid"
		device_up "$host" tinc tinc0
	done
}

openvpn_cert() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
		-keyout "/tmp/ovpn.$1.key" -out "/tmp/ovpn.$1.crt"
}

openvpn_print() {
	openssl x509 -in "/tmp/ovpn.$1.crt" -noout -fingerprint -sha256 | cut -d= -f2
}

openvpn_side() {
	local host=$1 peer role=--tls-client
	peer=$(other "$1")
	[ "$host" = a ] || role=--tls-server
	peer_bg "$host" openvpn --dev ovpn0 --dev-type tun --disable-dco --proto udp4 --local "$(outer_address "$host")" \
		--remote "$(outer_address "$peer")" --port 1194 --topology subnet --ifconfig "$(peer_address openvpn "$host")" 255.255.255.0 \
		$role --dh none --cert "/tmp/ovpn.$host.crt" --key "/tmp/ovpn.$host.key" --peer-fingerprint "$(openvpn_print "$peer")" \
		--cipher "$OPENVPN_CIPHER" --data-ciphers "$OPENVPN_CIPHER" --allow-compression no --tun-mtu "$MTU" --mssfix 0 \
		--sndbuf 0 --rcvbuf 0 --fast-io --txqueuelen 1000
}

openvpn_start() {
	openvpn_cert a
	openvpn_cert b
	openvpn_side b
	openvpn_side a
	device_up a openvpn ovpn0
	device_up b openvpn ovpn0
}

fastd_side() {
	local host=$1 peer
	peer=$(other "$1")
	cat >"/tmp/fastd.$host.conf" <<-CONF
		log level warn;
		mode tun;
		interface "fastd0";
		bind $(outer_address "$host"):10000;
		method "$FASTD_METHOD";
		secret "$(<"/tmp/fastd.$host.secret")";
		mtu $MTU;
		peer "$peer" {
			key "$(<"/tmp/fastd.$peer.public")";
			remote $(outer_address "$peer"):10000;
		}
	CONF
	peer_bg "$host" fastd -c "/tmp/fastd.$host.conf"
	device_up "$host" fastd fastd0
}

fastd_start() {
	local host
	for host in a b; do
		peer "$host" fastd --generate-key >"/tmp/fastd.$host" 2>/dev/null
		sed -n 's/^Secret: //p' "/tmp/fastd.$host" >"/tmp/fastd.$host.secret"
		sed -n 's/^Public: //p' "/tmp/fastd.$host" >"/tmp/fastd.$host.public"
	done
	fastd_side a
	fastd_side b
}

peers_start() {
	wireguard_start
	tinc_start
	openvpn_start
	fastd_start
}

# peer_settings: versions and ciphers, by "setting"
peer_settings() {
	setting wireguard-go "$(peer a wireguard-go --version | head -n 1), ChaCha20-Poly1305"
	setting tinc "$(peer a tinc --version | head -n 1), $TINC_CIPHER, $TINC_DIGEST"
	setting openvpn "$(peer a openvpn --version | cut -d' ' -f1,2 | head -n 1), $OPENVPN_CIPHER, UDP, no DCO"
	setting fastd "$(peer a fastd --version), $FASTD_METHOD"
}
