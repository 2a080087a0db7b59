# shellcheck shell=bash
# Targets qemu-6.12 and qemu-6.1: Debian's own cloud kernels in QEMU, without KVM. Sourced on the host.

# What only costs time here: self-tests of the crypto drivers, mitigations, security modules
QEMU_APPEND="cryptomgr.notests mitigations=off security=none audit=0 nokaslr tsc=reliable"

# The newest cloud kernel of a series whose unsigned image and whose headers apt both has
qemu_release() {
	local series=${1#qemu-} rel
	rel=$(apt-cache pkgnames "linux-image-$series." |
		sed -nE 's/^linux-image-([0-9.]+([-+][0-9a-z]+)?)-cloud-amd64-unsigned$/\1/p' | grep -v bpo | sort -Vr |
		while read -r rel; do
			! apt-cache show "linux-headers-$rel-cloud-amd64" >/dev/null 2>&1 || { echo "$rel"; break; }
		done)
	[ -n "$rel" ] || rel=$(qemu_cached_release "$1")
	[ -n "$rel" ] || die "apt knows no linux-image-$series.*-cloud-amd64-unsigned with headers: run apt-get update"
	echo "$rel"
}

qemu_cached_release() {
	local dir
	dir=$(find "$LAB_CACHE" -maxdepth 1 -name "$1_*" ! -name '*.tmp' ! -name '*.old' 2>/dev/null | sort -V | tail -n 1)
	echo "${dir##*_}"
}

# The release in use is decided once and kept, so that a run costs no question to apt
qemu_dir() {
	local rel
	rel=$(qemu_cached_release "$1")
	[ -n "$rel" ] || rel=$(qemu_release "$1")
	echo "$LAB_CACHE/$1_$rel"
}

qemu_kver() {
	echo "${1##*_}-cloud-amd64"
}

qemu_kdir() {
	local dir
	dir=$(qemu_dir "$1")
	echo "$dir/root/usr/src/linux-headers-$(qemu_kver "$dir")"
}

# The packages of a kernel: image, headers, the headers' common half, and the tools they are built with
qemu_packages() {
	local rel=$1 kbuild
	kbuild=$(apt-cache show --no-all-versions "linux-headers-$rel-cloud-amd64" | grep -oE 'linux-kbuild-[^ ,]+' | head -n 1)
	echo "linux-image-$rel-cloud-amd64-unsigned" "linux-headers-$rel-cloud-amd64" "linux-headers-$rel-common" "$kbuild"
}

qemu_fetch() {
	local dir=$1 kver=$2 tmp=$1.tmp deb packages
	rm -rf "$tmp"
	mkdir -p "$tmp/root"
	read -ra packages <<<"$(qemu_packages "${dir##*_}")"
	note "fetching kernel $kver"
	fetch_debs "$tmp/debs" "${packages[@]}"
	for deb in "$tmp"/debs/*.deb; do
		dpkg -x "$deb" "$tmp/root"
	done
	rm -rf "$tmp/debs"
	# The only absolute path in Debian's headers
	sed -i "s|include /usr/src/|include $dir/root/usr/src/|" "$tmp/root/usr/src/linux-headers-$kver/Makefile"
	commit_dir "$tmp" "$dir"
}

qemu_base_initrd() {
	echo "$1/base-$(hash_of "$LAB_LIB/initramfs.sh").cpio"
}

qemu_prepare_locked() {
	local dir kver
	dir=$(qemu_dir "$1")
	kver=$(qemu_kver "$dir")
	[ -d "$dir" ] || qemu_fetch "$dir" "$kver"
	[ -e "$(qemu_base_initrd "$dir")" ] || "$LAB_LIB/initramfs.sh" "$dir/root" "$kver" "$(qemu_base_initrd "$dir")"
}

qemu_prepare() {
	local dir
	need qemu-system-x86_64 cpio depmod apt-get dpkg rsync flock
	dir=$(qemu_dir "$1")
	[ -d "$dir" ] && [ -e "$(qemu_base_initrd "$dir")" ] && return
	with_lock "$1" qemu_prepare_locked "$1"
}

# The libraries of these programs, a line each. They look in LD_LIBRARY_PATH first.
libraries_of() {
	ldd "$@" 2>/dev/null | grep -oE '/[^ ():]+\.so[^ ():]*' | sort -u
}

programs_below() {
	find "$1" -type f -perm -u+x 2>/dev/null
}

# qemu_stage TREE: the libraries of our programs, and of packages, that the base has not, into the part of the initramfs that is
# made for each run
qemu_stage() {
	local lib dest dir paths own packaged
	dir=$(qemu_dir "$LAB_TARGET")
	mapfile -t own < <(programs_below "$1/mnt/lab/bin")
	mapfile -t packaged < <(programs_below "$1/mnt/lab/packages")
	paths=$(printf '%s:' "$1"/mnt/lab/packages/*/usr/lib/*-linux-gnu{,/systemd})
	for lib in $(libraries_of "${own[@]}") $(LD_LIBRARY_PATH=$paths libraries_of "${packaged[@]}"); do
		[[ $lib != "$1"* ]] || continue # it comes with its package
		dest=$(readlink -f "$(dirname "$lib")")/$(basename "$lib")
		grep -qx "${dest#/}" "$(qemu_base_initrd "$dir").list" || install -D -m 755 "$lib" "$1$dest"
	done
}

# qemu_boot TARGET RUNDIR: become the guest. RUNDIR holds lab/ (what goes in) and gets tap, console, out/
qemu_boot() {
	local target=$1 run=$2 dir console khz=''
	dir=$(qemu_dir "$target")
	cat "$(qemu_base_initrd "$dir")" <(cd "$run/in" && find . | cpio --quiet -o -H newc -R +0:+0) >"$run/initrd"
	truncate -s 512M "$run/disk"
	console=(-serial "file:$run/console")
	[ -z "$LAB_KEEP" ] || console=(-serial stdio)
	[ ! -x "$LAB_BUILD/tests/tools/ntm-tsc" ] || khz=$("$LAB_BUILD/tests/tools/ntm-tsc") || true
	# shellcheck disable=SC2086 # LAB_QEMU_ARGS is a list of words
	exec qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max -smp "$LAB_SMP" -m "$LAB_MEM" \
		-nodefaults -no-reboot -display none "${console[@]}" -serial "file:$run/tap" \
		-drive "file=$run/disk,format=raw,if=virtio,cache=unsafe" \
		-kernel "$dir/root/boot/vmlinuz-$(qemu_kver "$dir")" -initrd "$run/initrd" \
		-append "console=ttyS0 quiet panic=-1 oops=panic log_buf_len=4M ${khz:+tsc_early_khz=$khz} $QEMU_APPEND rdinit=/mnt/lab/guest/init lab.tap=/dev/ttyS1 lab.out=disk" \
		$LAB_QEMU_ARGS
}

# Take the exported files out of the guest's disk
qemu_collect() {
	local run=$1
	mkdir -p "$run/out"
	tar -C "$run/out" -xf "$run/disk" 2>/dev/null || note "no files came out of the guest"
	rm -f "$run/disk" "$run/initrd"
}
