# shellcheck shell=bash
# Debian packages that a scenario names in its header "# packages:": unpacked into the cache, and never installed on this
# machine, whose resolver or D-Bus some of them would take over. Sourced on the host.

# Packages named together are fetched together, so that their versions agree
packages_dir() {
	echo "$LAB_CACHE/packages_$(hash_of - <<<"$*")"
}

# As on any Debian 12: /lib is a part of /usr, and so on. Nothing reads the rest here.
merge_usr() {
	local tree=$1 dir
	for dir in bin sbin lib lib64; do
		[ ! -d "$tree/$dir" ] || { mkdir -p "$tree/usr/$dir" && cp -a "$tree/$dir/." "$tree/usr/$dir/" && rm -r "${tree:?}/$dir"; }
	done
	rm -rf "$tree"/usr/share/{doc,man,locale,bash-completion,zsh,bug,lintian}
}

packages_fetch() {
	local dir=$1 name deb
	shift
	[ ! -d "$dir" ] || return 0
	rm -rf "$dir.tmp"
	note "fetching $*"
	fetch_debs "$dir.tmp/debs" "$@"
	for name in "$@"; do
		for deb in "$dir.tmp/debs/$name"_*.deb; do
			dpkg -x "$deb" "$dir.tmp/$name"
		done
		merge_usr "$dir.tmp/$name"
	done
	rm -r "$dir.tmp/debs"
	commit_dir "$dir.tmp" "$dir"
}

# The libraries of servers that the lab has verbs for, as far as this machine may be without them
packages_needed() {
	local name
	for name in "$@"; do
		case $name in
		nsd) echo "$name libevent-2.1-7 libfstrm0 libprotobuf-c1" ;;
		unbound) echo "$name libevent-2.1-7 libprotobuf-c1 libnghttp2-14 libpython3.11" ;;
		*) echo "$name" ;;
		esac
	done | tr ' ' '\n' | awk '!seen[$0]++' | paste -sd' '
}

# stage_packages TREE FILE: those of a scenario, for the guest
stage_packages() {
	local names dir
	read -ra names <<<"$(header "$2" packages)"
	[ ${#names[@]} -gt 0 ] || return 0
	read -ra names <<<"$(packages_needed "${names[@]}")"
	dir=$(packages_dir "${names[@]}")
	[ -d "$dir" ] || with_lock packages packages_fetch "$dir" "${names[@]}"
	mkdir -p "$1/packages"
	cp -a "$dir/." "$1/packages/"
}
