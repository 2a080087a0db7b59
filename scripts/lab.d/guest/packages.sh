# shellcheck shell=bash
# Packages of the header "# packages:".

# package HOST NAME...: what the packages hold, on this host alone
package() {
	local host=$1 name usr=/usr
	shift
	need_host "$host"
	for name in "$@"; do
		[ -d "/mnt/lab/packages/$name" ] || lab_die "package: '$name' is not in the header '# packages:'"
		usr=/mnt/lab/packages/$name/usr:$usr
		[ ! -d "/mnt/lab/packages/$name/etc" ] || cp -a "/mnt/lab/packages/$name/etc/." "$LAB_STATE/hosts/$host/etc/"
	done
	on "$host" mount -t overlay overlay -o "lowerdir=$usr" /usr
}
