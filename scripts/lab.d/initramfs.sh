#!/bin/bash
# Builds the part of the QEMU guest's initramfs that is the same for every run:
# initramfs.sh ROOT KVER OUT - ROOT is an unpacked Debian kernel of release KVER, OUT the cpio archive to make.
set -euo pipefail

ROOT=$1 KVER=$2 OUT=$3
TREE=$(mktemp -d)
trap 'rm -rf "$TREE"' EXIT

PROGRAMS="bash ip tc bridge ss nft iperf3 ping wg insmod modprobe rmmod lsmod modinfo depmod dig getent ssh ssh-keygen
	tcpdump ethtool sqlite3 nsenter unshare dnsmasq conntrack strace timeout awk"
OPTIONAL=" strace "
MODULES="net crypto lib arch/x86/crypto drivers/net/veth.ko drivers/net/dummy.ko drivers/net/tun.ko drivers/net/ifb.ko
	drivers/net/macvlan.ko drivers/net/vrf.ko drivers/net/wireguard drivers/virtio drivers/block/virtio_blk.ko drivers/crypto fs/overlayfs"

find_program() {
	PATH=$PATH:/usr/sbin:/sbin command -v "$1"
}

# copy_file PATH: into the tree under the same name, what a symbolic link points to with it
copy_file() {
	local path=$1
	[ ! -e "$TREE$path" ] || return 0
	mkdir -p "$TREE$(dirname "$path")"
	cp -L "$path" "$TREE$path"
}

# Debian 12 has /bin -> /usr/bin and so on; the guest too
make_tree() {
	mkdir -p "$TREE"/usr/{bin,sbin,lib,lib64} "$TREE"/{dev,proc,sys,run,tmp,root,etc,mnt,srv,var/lib,var/log,var/empty,home}
	ln -s usr/bin "$TREE/bin"
	ln -s usr/sbin "$TREE/sbin"
	ln -s usr/lib "$TREE/lib"
	ln -s usr/lib64 "$TREE/lib64"
	ln -s /run "$TREE/var/run"
	chmod 1777 "$TREE/tmp"
}

copy_libraries() {
	local lib
	for lib in $(ldd "$@" 2>/dev/null | grep -oE '/[^ ():]+\.so[^ ():]*' | sort -u); do
		copy_file "$lib"
	done
}

copy_programs() {
	local prog path files=()
	for prog in $PROGRAMS; do
		if ! path=$(find_program "$prog"); then
			[[ $OPTIONAL = *" $prog "* ]] && continue
			echo "lab: $prog is missing: run scripts/setup" >&2
			exit 1
		fi
		copy_file "$path"
		files+=("$path")
	done
	# What no ldd shows: glibc opens these by name
	for path in /lib/x86_64-linux-gnu/lib{nss_dns,nss_files,resolv,gcc_s}.so.?; do
		copy_file "$path"
		files+=("$path")
	done
	copy_libraries "${files[@]}"
}

# dig is linked with libxml2 and that with ICU, whose 30 MB of tables nothing here reads
shrink_icu() {
	local lib number
	for lib in "$TREE"/usr/lib/*/libicudata.so.* "$TREE"/lib/*/libicudata.so.*; do
		[ -e "$lib" ] || continue
		number=${lib##*.}
		echo "const char icudt${number}_dat[64];" | gcc -shared -fPIC -Wl,-soname,"libicudata.so.$number" -x c - -o "$lib"
	done
}

copy_busybox() {
	local busybox applet
	busybox=$(find_program busybox)
	copy_file "$busybox"
	for applet in $("$busybox" --list); do
		[ -e "$TREE/usr/bin/$applet" ] || [ -e "$TREE/usr/sbin/$applet" ] || ln -s "$busybox" "$TREE/usr/bin/$applet"
	done
}

# sshd is taken from its package and not installed: nobody wants a server on the host for this
copy_sshd() {
	local dir
	dir=$(mktemp -d)
	(cd "$dir" && apt-get download -qq -o APT::Sandbox::User=root openssh-server)
	dpkg -x "$dir"/*.deb "$dir/x"
	install -D "$dir/x/usr/sbin/sshd" "$TREE/usr/sbin/sshd"
	copy_libraries "$dir/x/usr/sbin/sshd"
	rm -rf "$dir"
	mkdir -p "$TREE/run/sshd"
}

copy_modules() {
	local src=$ROOT/lib/modules/$KVER part
	[ -d "$src" ] || src=$ROOT/usr/lib/modules/$KVER
	mkdir -p "$TREE/lib/modules/$KVER/kernel"
	cp "$src"/modules.builtin* "$src"/modules.order "$TREE/lib/modules/$KVER/"
	for part in $MODULES; do
		(cd "$src/kernel" && find . -path "./$part*" -type f -print0 | cpio --quiet -pdm0 "$TREE/lib/modules/$KVER/kernel")
	done
	depmod -b "$TREE" "$KVER"
}

make_etc() {
	local etc=$TREE/etc
	cat >"$etc/passwd" <<-EOF
		root:x:0:0:root:/root:/bin/bash
		sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
		tcpdump:x:101:65534::/nonexistent:/usr/sbin/nologin
		nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
	EOF
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$etc/group"
	printf 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n' >"$etc/nsswitch.conf"
	printf '127.0.0.1 localhost\n::1 localhost\n' >"$etc/hosts"
	cp /etc/services /etc/protocols "$etc/" 2>/dev/null || true
	cp /etc/gai.conf "$etc/" 2>/dev/null || true
	: >"$etc/resolv.conf"
	ldconfig -r "$TREE" 2>/dev/null || true
}

make_tree
copy_programs
shrink_icu
copy_busybox
copy_sshd
mkdir -p "$TREE/etc/ld.so.conf.d"
cp -L /etc/ld.so.conf "$TREE/etc/"
cp -L /etc/ld.so.conf.d/* "$TREE/etc/ld.so.conf.d/"
copy_modules
make_etc
(cd "$TREE" && find . | cpio --quiet -o -H newc -R +0:+0) >"$OUT.tmp"
# An archive that another follows must end on a 512 byte border; cpio pads to that
cpio --quiet -it <"$OUT.tmp" >"$OUT.list"
mv "$OUT.tmp" "$OUT"
find "$(dirname "$OUT")" -maxdepth 1 -name 'base-*.cpio*' ! -path "$OUT*" -delete
