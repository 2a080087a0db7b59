# shellcheck shell=bash
# Packages of the header "# packages:".

LAB_PACKAGES=/mnt/lab/packages

# package HOST NAME...: what the packages hold, on this host alone
package() {
	local host=$1 name usr=/usr
	shift
	need_host "$host"
	for name in "$@"; do
		[ -d "$LAB_PACKAGES/$name" ] || lab_die "package: '$name' is not in the header '# packages:'"
		usr=$LAB_PACKAGES/$name/usr:$usr
		[ ! -d "$LAB_PACKAGES/$name/etc" ] || cp -a "$LAB_PACKAGES/$name/etc/." "$LAB_STATE/hosts/$host/etc/"
	done
	on "$host" mount -t overlay overlay -o "lowerdir=$usr" /usr
}

# A program of a package may be started from where it was unpacked, with the libraries that came with it: that needs no
# overlay, and so works on each target.
#
# packaged HOST PROGRAM ARGUMENT..., bg_packaged HOST NAME PROGRAM ARGUMENT...: as "on" and "bg"
packaged() {
	local host=$1 program
	program=$(packaged_program "$2")
	on "$host" env "LD_LIBRARY_PATH=$(packaged_libraries)" "$program" "${@:3}"
}

bg_packaged() {
	local host=$1 name=$2 program
	program=$(packaged_program "$3")
	bg "$host" "$name" env "LD_LIBRARY_PATH=$(packaged_libraries)" "$program" "${@:4}"
}

packaged_program() {
	local file
	for file in "$LAB_PACKAGES"/*/usr/{sbin,bin}/"$1"; do
		if [ -x "$file" ]; then
			echo "$file"
			return
		fi
	done
	lab_die "no package of the header '# packages:' has $1"
}

packaged_libraries() {
	printf '%s:' "$LAB_PACKAGES"/*/usr/lib/*-linux-gnu
}
