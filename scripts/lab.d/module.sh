# shellcheck shell=bash
# Builds ntmobile.ko for a target, outside the tree. Sourced on the host.

# module_sync DIR: copy the module's sources to DIR, touching only what changed
module_sync() {
	local dir=$1 part
	for part in Kbuild kmod include; do
		[ ! -e "$LAB_ROOT/$part" ] || rsync -rlpc --delete \
			--exclude '*.o' --exclude '*.o.d' --exclude '*.ko' --exclude '*.mod' --exclude '*.mod.c' --exclude '.*.cmd' \
			--exclude '*.symvers' --exclude modules.order \
			"$LAB_ROOT/$part" "$dir/"
	done
}

module_make() {
	local target=$1 dir=$2 kdir=$3 args=()
	[ "$(target_kind "$target")" != uml ] || args+=(ARCH=um)
	[ -z "${LAB_KUNIT:-}" ] || args+=(CONFIG_NTMOBILE_KUNIT=y)
	mkdir -p "$dir"
	module_sync "$dir"
	make -j"$(nproc)" -C "$kdir" M="$dir" "${args[@]}" modules >"$dir/build.log" 2>&1 || {
		cat "$dir/build.log" >&2
		die "the module does not build for $target"
	}
	grep -E 'warning:' "$dir/build.log" >&2 || true
}

module_dir() {
	echo "$LAB_BUILD/kmod-$1${LAB_KUNIT:+-kunit}"
}

# The module's file, or nothing
module_file() {
	local dir
	dir=$(module_dir "$1")
	[ ! -d "$dir" ] || find "$dir" -maxdepth 2 -name ntmobile.ko | head -n 1
}

module_build() {
	local kdir
	[ -e "$LAB_ROOT/Kbuild" ] || return 0
	kdir=$("$(target_kind "$1")_kdir" "$1")
	module_make "$1" "$(module_dir "$1")" "$kdir"
}

lab_module() {
	lab_prepare "$1"
	with_lock "module-$1-$(echo "$LAB_BUILD" | sha256sum | cut -c1-8)" module_build "$1"
	module_file "$1"
}
