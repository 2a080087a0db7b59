# shellcheck shell=bash
# What every part of scripts/lab uses. Sourced on the host.

die() {
	echo "lab: $*" >&2
	exit 1
}

note() {
	echo "lab: $*" >&2
}

need() {
	local prog
	for prog in "$@"; do
		command -v "$prog" >/dev/null || die "$prog is missing: run scripts/setup"
	done
}

check_target() {
	local t
	for t in $LAB_TARGETS; do
		[ "$1" = "$t" ] && return
	done
	die "no target '$1' (there are: $LAB_TARGETS)"
}

# for_targets FUNCTION TARGET...
for_targets() {
	local fn=$1 target
	shift
	[ $# -gt 0 ] || die "which target? ($LAB_TARGETS)"
	for target in "$@"; do
		check_target "$target"
		"$fn" "$target"
	done
}

# The families of targets have functions of the same names: qemu_prepare, uml_prepare, ...
target_kind() {
	echo "${1%%-*}"
}

lab_prepare() {
	"$(target_kind "$1")_prepare" "$1" >&2
}

lab_kdir() {
	lab_prepare "$1"
	"$(target_kind "$1")_kdir" "$1"
}

# with_lock NAME FUNCTION ARG...: one at a time on this machine
with_lock() {
	local name=$1 fd rc=0
	shift
	mkdir -p "$LAB_CACHE/lock"
	exec {fd}>"$LAB_CACHE/lock/$name"
	if ! flock -n "$fd"; then
		note "waiting for another run that prepares $name"
		flock "$fd"
	fi
	# A subshell of its own, so that set -e works in FUNCTION; it must not keep the lock's file open.
	(
		exec {fd}>&-
		set -e
		"$@"
	) || rc=$?
	exec {fd}>&-
	return "$rc"
}

# Put TMP in place as DIR in one step
commit_dir() {
	local tmp=$1 dir=$2
	rm -rf "$dir.old"
	[ ! -e "$dir" ] || mv -T "$dir" "$dir.old"
	mv -T "$tmp" "$dir"
	rm -rf "$dir.old"
}

hash_of() {
	cat "$@" | sha256sum | cut -c1-12
}

# fetch_debs DIR PACKAGE...: download packages into DIR. apt-get checks what it fetches and renames it when whole.
fetch_debs() {
	local dir=$1
	shift
	mkdir -p "$dir"
	(cd "$dir" && apt-get download -qq -o APT::Sandbox::User=root "$@") ||
		die "cannot download $*: is the network there, and are apt's lists up to date (apt-get update)?"
}
