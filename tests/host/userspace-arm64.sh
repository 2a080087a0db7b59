#!/bin/bash
# The programs build for arm64 and link against Debian's libraries of that architecture.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
CACHE=${NTMOBILE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ntmobile}
SYSROOT=$CACHE/arm64-userspace
PACKAGES=(libmnl-dev libmnl0 libsodium-dev libsodium23 libssl-dev libssl3 libuv1-dev libuv1 libldns-dev libldns3 libsqlite3-dev libsqlite3-0
	libinih-dev libinih1 libjansson-dev libjansson4 libsmartcols-dev libsmartcols1 libsystemd-dev libsystemd0 libunbound-dev libunbound8
	libc6-dev libc6 linux-libc-dev libcrypt-dev libcrypt1)

# Package lists of arm64, apart from this machine's: its own are not changed
arm64_apt() {
	local lists=$CACHE/arm64-lists
	mkdir -p "$lists/partial"
	apt-get -qq -o APT::Architectures=amd64,arm64 -o APT::Sandbox::User=root -o Dir::State::Lists="$lists" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
}

fetch_libraries() {
	local tmp deb
	mkdir -p "$CACHE"
	tmp=$(mktemp -d "$CACHE/arm64.tmp-XXXXXX")
	arm64_apt update
	(cd "$tmp" && arm64_apt download "${PACKAGES[@]/%/:arm64}")
	for deb in "$tmp"/*.deb; do dpkg -x "$deb" "$tmp/root"; done
	mv -T "$tmp/root" "$SYSROOT" 2>/dev/null || [ -d "$SYSROOT/usr/include" ]
	rm -rf "$tmp"
}

[ -d "$SYSROOT/usr/include" ] || fetch_libraries
LIB=$SYSROOT/usr/lib/aarch64-linux-gnu
export PKG_CONFIG_LIBDIR=$LIB/pkgconfig:$SYSROOT/usr/share/pkgconfig PKG_CONFIG_SYSROOT_DIR=$SYSROOT
# What these libraries need themselves is not of interest
make -s -C "$ROOT" -j"$(nproc)" B=build/arm64 CC="aarch64-linux-gnu-gcc --sysroot=$SYSROOT" AR=aarch64-linux-gnu-ar \
	LDFLAGS="-L$LIB -Wl,-rpath-link,$LIB:$SYSROOT/lib/aarch64-linux-gnu -Wl,--allow-shlib-undefined" userspace
for program in "$ROOT"/build/arm64/bin/*; do
	aarch64-linux-gnu-objdump -f "$program" | grep -q 'architecture: aarch64' || { echo "$program is none of arm64" >&2; exit 1; }
done
