#!/bin/bash
# What the Makefile and Kbuild promise: the module for Debian's 6.12 and 6.1 kernels, of which neither gcc (W=1) nor sparse has
# anything to say; make install and uninstall; make clean; make help.
# tap: yes
# shellcheck disable=SC2317 # what check() runs
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.." || exit 1
ROOT=$PWD
make -s userspace || exit 1

DIR=$(mktemp -d)
TREE=$DIR/tree DEST=$DIR/dest
WHAT=install
# shellcheck source=tests/host/lib/tap
. tests/host/lib/tap
trap 'rm -rf "$DIR"' EXIT

files_in() {
	(cd "$1" && find . -type f -o -type l) | sort
}

# What this checkout holds, without what was built of the module, and with the programs
copy_tree() {
	mkdir -p "$TREE/build"
	cp -a Kbuild LICENSE Makefile README.md docs include kmod ntmd scripts tests "$TREE/"
	find "$TREE/kmod" -type f \( -name '*.o' -o -name '*.ko' -o -name '*.mod*' -o -name '.*.cmd' -o -name modules.order \
		-o -name Module.symvers \) -delete
	cp -a build/obj build/bin "$TREE/build/"
}

# quiet CMD...: it works, and says nothing that is a warning or an error
quiet() {
	"$@" >"$DIR/log" 2>&1 || { cat "$DIR/log"; return 1; }
	! grep -E '(warning|error):|WARNING|ERROR' "$DIR/log"
}

# module_is KDIR: the module in the tree was built for this kernel
module_is() {
	modinfo -F vermagic "$TREE/kmod/ntmobile.ko" | grep -F "$(basename "$1" | sed 's/^linux-headers-//') "
}

CHECKS=(W=1 C=1 "CHECK=sparse -Wno-unknown-attribute")

kdir6_1=$(scripts/lab kdir qemu-6.1) || exit 1
kdir=$(scripts/lab kdir qemu-6.12) || exit 1
copy_tree
files_in "$TREE" | grep -v '^\./build/' >"$DIR/before"

check "make -C KDIR M=. modules, on 6.1: neither gcc (W=1) nor sparse says a word" \
	quiet make -j2 -C "$kdir6_1" M="$TREE" "${CHECKS[@]}" modules
check "it is of that kernel" module_is "$kdir6_1"
check "make -C KDIR M=. clean" make -s -C "$kdir6_1" M="$TREE" clean
check "make module KDIR=..., on 6.12: neither gcc (W=1) nor sparse says a word" \
	quiet make -j2 -C "$TREE" module KDIR="$kdir" "${CHECKS[@]}"
check "it is of that kernel" module_is "$kdir"
no_headers() {
	! make -C "$TREE" module KDIR=/nowhere >"$DIR/log" 2>&1 && grep -q 'no kernel headers in /nowhere: give KDIR=' "$DIR/log"
}
check "without headers it says what to do" no_headers
version=$(sed -nE 's/^#define NTM_VERSION "(.*)"$/\1/p' include/ntmobile/version.h)
version_is() {
	[ "$(modinfo -F version "$TREE/kmod/ntmobile.ko")" = "$version" ]
}
check "it has the programs' version" version_is

# make alone
headers_missing() {
	! make -C "$TREE" KDIR=/nowhere >"$DIR/log" 2>&1 && grep -q 'no kernel headers in /nowhere: give KDIR=' "$DIR/log"
}
check "make KDIR=... fails if there are no headers" headers_missing
# As on a machine without headers for the kernel that it runs
programs_alone() {
	sed 's,^KDIR ?= .*,KDIR ?= /nowhere,' Makefile >"$TREE/Makefile" &&
		make -C "$TREE" >"$DIR/log" 2>&1 && grep -q 'no kernel headers in /nowhere: the programs alone' "$DIR/log"
	local rc=$?
	cp Makefile "$TREE/"
	return "$rc"
}
check "make without headers builds the programs, and says so" programs_alone

# Where it goes
INSTALL=(make -s -C "$TREE" DESTDIR="$DEST" PREFIX=/opt/ntm UNITDIR=/etc/systemd/system KDIR="$kdir")
other_kernel() {
	! make -s -C "$TREE" DESTDIR="$DEST" KDIR="$kdir6_1" install >"$DIR/log" 2>&1 &&
		grep -q 'kmod/ntmobile.ko is for kernel .*: give the KDIR=' "$DIR/log" && [ -z "$(files_in "$DEST" 2>/dev/null)" ]
}
check "make install does not put the module below another kernel" other_kernel
check "make install" "${INSTALL[@]}" install
check "with a place for the configuration" test -d "$DEST/etc/ntmobile"
installed() {
	local page
	"$DEST/opt/ntm/bin/ntmctl" --version && "$DEST/opt/ntm/sbin/ntmd" --version || return 1
	"$DEST/opt/ntm/sbin/ntm-dc" --version && "$DEST/opt/ntm/sbin/ntm-rs" --version || return 1
	for page in "$TREE"/docs/*.[158]; do
		cmp "$page" "$DEST/opt/ntm/share/man/man${page##*.}/${page##*/}" || return 1
	done
	[ -n "$(ls "$DEST/opt/ntm/share/doc/ntmobile")" ]
}
check "programs that run, man pages, examples" installed
units() {
	local unit
	for unit in ntmd ntm-dc ntm-rs; do
		grep -E "^ExecStart=/opt/ntm/sbin/$unit( |\$)" "$DEST/etc/systemd/system/$unit.service" || return 1
	done
	! grep -r '@[A-Z]*@' "$DEST/etc/systemd/system"
}
check "units of the programs that were installed" units
module_installed() {
	find "$DEST/lib/modules/$(basename "$kdir" | sed 's/^linux-headers-//')" -name 'ntmobile.ko*' | grep .
}
check "the module" module_installed
nothing_else() {
	! files_in "$DEST" | grep -vE '^\./(opt/ntm/|etc/systemd/system/ntm|lib/modules/)'
}
check "nothing anywhere else" nothing_else
echo keep >"$DEST/opt/ntm/sbin/other"
check "make uninstall" "${INSTALL[@]}" uninstall
left() {
	# depmod's lists are the kernel's
	[ "$(files_in "$DEST" | grep -v '/lib/modules/[^/]*/modules\.')" = ./opt/ntm/sbin/other ] || { files_in "$DEST"; return 1; }
}
check "leaves what is not ours, and nothing else" left
check "and no empty place for a configuration" test ! -e "$DEST/etc/ntmobile"

check "make clean" make -s -C "$TREE" clean
cleaned() {
	[ ! -e "$TREE/build" ] && files_in "$TREE" | diff "$DIR/before" -
}
check "leaves what a checkout has" cleaned

# All targets that are meant for people
helped() {
	local target targets
	make -s help | tr -cs 'a-z-' '\n' >"$DIR/help"
	mapfile -t targets < <(sed -nE '/^\.PHONY:/,/[^\]$/p' Makefile | sed 's/^\.PHONY://' | tr -cs 'a-z-' '\n' | grep .)
	[ ${#targets[@]} -gt 10 ] || return 1
	for target in "${targets[@]}"; do
		case $target in
		all | no-module | module-of-kdir | prerequisites | units | units-tsan | tools | help) continue ;;
		esac
		grep -qx -- "$target" "$DIR/help" || { echo "make help does not tell of $target"; return 1; }
	done
}
cd "$ROOT" || exit 1
check "make help tells of all of it" helped
echo "1..$N"
exit $FAILED
