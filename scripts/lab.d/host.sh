# shellcheck shell=bash
# Target host: this machine's own kernel, without a virtual machine and without our module. Everything happens in namespaces
# that end with their first process, which ends with scripts/lab, however that ends. Sourced on the host.

# Not even root of the guest may do this to the machine
HOST_TABOO=-sys_module,-sys_boot,-sys_time,-syslog,-sys_rawio

host_prepare() {
	need unshare setpriv nsenter ip tc nft rsync flock
	[ "$(id -u)" = 0 ] || die "target host makes network namespaces: run it as root, or on another target ($LAB_TARGETS)"
	[ -c /dev/net/tun ] || die "target host needs /dev/net/tun: modprobe tun"
}

host_kdir() {
	die "target host takes no module: there is nothing to build one against"
}

# The guest has the host's libraries
host_stage() {
	:
}

# host_boot TARGET RUNDIR: see qemu_boot
host_boot() {
	local run=$2
	[ -n "$LAB_KEEP" ] || exec </dev/null >"$run/console" 2>&1
	exec env -i "LAB_HOST=$run" "TERM=${TERM:-linux}" \
		setpriv --pdeathsig KILL --bounding-set "$HOST_TABOO" \
		unshare --mount --pid --net --uts --ipc --fork --kill-child=KILL "$run/in/mnt/lab/guest/init"
}

host_collect() {
	:
}
