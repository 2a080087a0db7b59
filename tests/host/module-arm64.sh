#!/bin/bash
# The module builds for arm64, against Debian's 6.12 headers, and neither gcc (W=1) nor, in make test-long, sparse has
# anything to say.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
CACHE=${NTMOBILE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ntmobile}
OUT=$ROOT/build/kmod-arm64

# Package lists of arm64, apart from this machine's: its own are not changed
arm64_apt() {
	local lists=$CACHE/arm64-lists
	mkdir -p "$lists/partial"
	apt-get -qq -o APT::Architectures=amd64,arm64 -o APT::Sandbox::User=root -o Dir::State::Lists="$lists" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
}

# What differs between architectures is one package; the rest is beside the headers of qemu-6.12
fetch_headers() {
	local dir=$1 rel=$2 common=$3 tmp
	mkdir -p "$CACHE"
	tmp=$(mktemp -d "$CACHE/arm64.tmp-XXXXXX")
	arm64_apt update
	(cd "$tmp" && arm64_apt download "linux-headers-$rel-cloud-arm64:arm64")
	dpkg -x "$tmp"/*.deb "$tmp/root"
	mv "$tmp/root/usr/src/linux-headers-$rel-cloud-arm64" "$tmp/headers"
	sed -i "s|include /usr/src/|include $common/|" "$tmp/headers/Makefile"
	mkdir -p "$(dirname "$dir")"
	# Another run may have been faster
	mv -T "$tmp/headers" "$dir" 2>/dev/null || [ -e "$dir/Makefile" ]
	rm -rf "$tmp"
}

kdir=$("$ROOT/scripts/lab" kdir qemu-6.12)
src=$(dirname "$kdir")
rel=$(basename "$kdir" | sed -E 's/^linux-headers-(.*)-cloud-amd64$/\1/')
headers=$src/linux-headers-$rel-cloud-arm64
[ -e "$headers/Makefile" ] || fetch_headers "$headers" "$rel" "$src"

rm -rf "$OUT"
mkdir -p "$OUT"
cp -r "$ROOT/Kbuild" "$ROOT/kmod" "$ROOT/include" "$OUT/"
find "$OUT" \( -name '*.o' -o -name '*.ko' -o -name '*.mod*' -o -name '.*.cmd' \) -delete
checks=(W=1 ${TEST_LONG:+C=1 "CHECK=sparse -Wno-unknown-attribute"})
make -j"$(nproc)" -C "$headers" M="$OUT" ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- "${checks[@]}" modules >"$OUT/log" 2>&1 ||
	{ tail -n 40 "$OUT/log"; exit 1; }
if grep -E "$OUT.*(warning|error):" "$OUT/log"; then
	exit 1
fi
file=$(find "$OUT" -name ntmobile.ko)
[ "$(od -An -tu2 -j18 -N2 "$file" | tr -d ' ')" = 183 ]
