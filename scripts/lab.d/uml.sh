# shellcheck shell=bash
# Targets uml and uml-debug: user-mode Linux, built from Debian's linux-source-6.12. Sourced on the host.

UML_SOURCE_PACKAGE=linux-source-6.12
# Room for a process's floating point state. Linux 6.12 has 2696 bytes, which is too little on a processor with AMX (11008): there
# ptrace refuses to set it, and the guest's first process dies. Kernel stacks hold such states: uml.defconfig makes them larger.
UML_FP_STATE=12288

uml_fragments() {
	echo "$LAB_ROOT/scripts/uml.defconfig"
	[ "$1" != uml-debug ] || echo "$LAB_ROOT/scripts/uml-debug.config"
}

uml_version() {
	local version
	version=$(dpkg-query -W -f '${Version}' $UML_SOURCE_PACKAGE 2>/dev/null) || true
	[ -n "$version" ] || die "$UML_SOURCE_PACKAGE is not installed: run scripts/setup"
	echo "$version"
}

uml_source() {
	echo "$LAB_CACHE/src/linux-$(uml_version)-fp$UML_FP_STATE"
}

uml_kdir() {
	local fragments
	mapfile -t fragments < <(uml_fragments "$1")
	echo "$LAB_CACHE/$1_$(uml_version)_$(hash_of "${fragments[@]}")"
}

uml_unpack() {
	local source
	source=$(uml_source)
	[ ! -d "$source" ] || return 0
	note "unpacking $UML_SOURCE_PACKAGE"
	rm -rf "$source.tmp"
	mkdir -p "$source.tmp"
	tar -C "$source.tmp" --strip-components=1 -xf "/usr/src/$UML_SOURCE_PACKAGE.tar.xz"
	sed -i "s/(HOST_FP_SIZE, 2696)/(HOST_FP_SIZE, $UML_FP_STATE)/" "$source.tmp/arch/x86/um/user-offsets.c"
	commit_dir "$source.tmp" "$source"
}

# The build directory stays where it is built, because its makefiles hold its path; the file "complete" says that it is whole
uml_prepare_locked() {
	local dir=$1 target=$2
	[ ! -e "$dir/complete" ] || return 0
	need gcc make bc flex bison
	with_lock uml-source uml_unpack
	mkdir -p "$dir"
	mapfile -t fragments < <(uml_fragments "$target")
	cat "${fragments[@]}" >"$dir/.config"
	note "building $target, which takes some minutes; log: $dir/build.log"
	if ! { uml_make "$dir" olddefconfig && uml_make "$dir" -j"$(nproc)"; } >"$dir/build.log" 2>&1; then
		die "the kernel of $target does not build: $(tail -n 20 "$dir/build.log")"
	fi
	touch "$dir/complete"
}

uml_make() {
	local dir=$1
	shift
	make -s -C "$(uml_source)" ARCH=um O="$dir" KBUILD_BUILD_USER=lab KBUILD_BUILD_HOST=lab "$@"
}

uml_prepare() {
	local dir
	dir=$(uml_kdir "$1")
	[ -e "$dir/complete" ] || with_lock "$1" uml_prepare_locked "$dir" "$1"
}

# The guest has the host's libraries; of the kernel's modules, nearly all of which are built in, it gets the rest
uml_stage() {
	local dir module
	dir=$(uml_kdir "$LAB_TARGET")
	mkdir -p "$1/mnt/lab/modules"
	while read -r module; do
		cp "$dir/${module%.*}.ko" "$1/mnt/lab/modules/"
	done <"$dir/modules.order"
}

# uml_boot TARGET RUNDIR: see qemu_boot
uml_boot() {
	local target=$1 run=$2 dir mem=$LAB_MEM
	dir=$(uml_kdir "$target")
	if [ -n "$LAB_KEEP" ]; then
		uml_exec "$dir" "$run" "$mem" 3>>"$run/tap"
	else
		uml_exec "$dir" "$run" "$mem" 3>>"$run/tap" </dev/null >"$run/console" 2>&1
	fi
}

# con0 is the console, con1 the results
uml_exec() {
	local dir=$1 run=$2 mem=$3
	exec "$dir/linux" "mem=${mem}M" rootfstype=hostfs rootflags=/ ro "init=$run/in/mnt/lab/guest/init" quiet panic=-1 oops=panic \
		log_buf_len=4M con=null ssl=null con0=fd:0,fd:1 con1=null,fd:3 "uml_dir=$run/uml" \
		"lab.in=$run/in/mnt/lab" "lab.out=$run/out" lab.tap=/dev/tty1
}

uml_collect() {
	rm -rf "$1/uml"
}
