# shellcheck shell=bash
# The system that scenarios see, in each kind of guest:
#
#   qemu  a machine whose files are all in memory, and all its own
#   uml   a kernel on the files of the machine below it, which it mounts read-only
#   host  that machine itself, in mount, PID, network, UTS and IPC namespaces that scripts/lab.d/host.sh made

guest_kind() {
	if [ -n "${LAB_HOST:-}" ]; then
		echo host
	elif [ -n "$(param lab.in)" ]; then
		echo uml
	else
		echo qemu
	fi
}

# A parameter of the kernel's command line
param() {
	tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"
}

system_qemu() {
	mount_machine
	mkdir -p /mnt/out /mnt/state
	LAB_TAP=$(param lab.tap)
	stty -F "$LAB_TAP" raw -echo
	keep_hooks
}

system_uml() {
	mount_machine
	mount -t tmpfs tmpfs /mnt
	mkdir /mnt/lab /mnt/out /mnt/state
	mount -t hostfs none /mnt/lab -o "$(param lab.in)"
	mount -t hostfs none /mnt/out -o "$(param lab.out)"
	cover_files
	LAB_TAP=$(param lab.tap)
	stty -F "$LAB_TAP" raw -echo 2>/dev/null
}

# What of the run's directory is used is taken along to /mnt, because memory covers /tmp and /root, where it may be.
system_host() {
	local run=$1 old
	mapfile -t old < <(awk '{ print $5 }' /proc/self/mountinfo)
	mkdir "$run/mnt"
	mount -t tmpfs tmpfs "$run/mnt"
	mkdir "$run"/mnt/{lab,out,state}
	: >"$run/mnt/tap"
	mount --bind "$run/in/mnt/lab" "$run/mnt/lab"
	mount --bind "$run/out" "$run/mnt/out"
	mount --bind "$run/tap" "$run/mnt/tap"
	make_read_only "${old[@]}"
	mount -n --move "$run/mnt" /mnt
	cd /
	mount_proc
	small_dev
	mount -t sysfs -o ro sysfs /sys
	mount_memory
	mount -t tmpfs tmpfs /var/tmp
	cover_files
	ip link set lo up
	LAB_TAP=/mnt/tap
}

mount_machine() {
	mount -t sysfs sysfs /sys
	mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
	mount -t devtmpfs devtmpfs /dev 2>/dev/null
	mkdir -p /dev/pts /dev/shm
	mount -t devpts devpts /dev/pts
	mount -t tmpfs tmpfs /dev/shm
	[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
	[ -c /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
	mount_memory
	echo 1 >/proc/sys/net/core/fb_tunnels_only_for_init_net # no sit0 in the hosts
	ip link set lo up
	use_secrets
}

# The kernel draws the secrets of its hash tables when they are first used, and then changes its own code so that it does not
# ask again. QEMU without KVM may run the old code once more on another processor ("Oops: int3 in inet_ehashfn"). So they are
# used here, while nobody else is doing anything.
use_secrets() {
	local proto addr
	for proto in tcp udp; do
		for addr in 127.0.0.1 ::1; do
			(echo >"/dev/$proto/$addr/9") 2>/dev/null
		done
	done
	sleep 0.3
}

# For the same reason: the first hook of a kind, in any network namespace, changes the code that looks for hooks, and the last one
# that goes changes it back. Hooks of the first network namespace, which no host has, keep it as it is.
keep_hooks() {
	local hook
	{
		echo 'table inet lab {'
		for hook in prerouting input forward output postrouting; do
			echo "chain $hook { type filter hook $hook priority 0; }"
		done
		echo '}'
	} | nft -f -
}

mount_memory() {
	mount -t tmpfs tmpfs /run
	mount -t tmpfs tmpfs /tmp
	chmod 1777 /tmp
	mkdir -p /run/netns /run/sshd /run/lock
}

# Puts memory over the files that scenarios write, and nothing that tells of the machine into /etc
cover_files() {
	mount -t tmpfs tmpfs /var/lib
	mount -t tmpfs tmpfs /var/log
	mount -t tmpfs tmpfs /root
	small_etc
	mount --bind /mnt/etc /etc
}

# Of the machine's /etc only what programs need to run
small_etc() {
	local f
	mkdir /mnt/etc
	for f in ld.so.cache ld.so.conf ld.so.conf.d alternatives services protocols gai.conf ssl; do
		[ ! -e "/etc/$f" ] || cp -a "/etc/$f" /mnt/etc/
	done
	rm -rf /mnt/etc/ssl/private
	cat >/mnt/etc/passwd <<-EOF
		root:x:0:0:root:/root:/bin/bash
		sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
		tcpdump:x:101:65534::/nonexistent:/usr/sbin/nologin
		nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
	EOF
	printf 'root:x:0:\nnogroup:x:65534:\n' >/mnt/etc/group
	printf 'passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n' >/mnt/etc/nsswitch.conf
	printf '127.0.0.1 localhost\n::1 localhost\n' >/mnt/etc/hosts
	: >/mnt/etc/resolv.conf
}

# Some of the machine's mounts may be out of sight, below others: those cannot be written to either.
make_read_only() {
	local dir
	for dir in "$@"; do
		mount -o remount,bind,ro "$(printf '%b' "$dir")" 2>/dev/null
	done
	! mkdir "/etc/lab.$$" 2>/dev/null || { rmdir "/etc/lab.$$" && fail_start "cannot make the machine's files read-only"; }
}

# Of the kernel's settings only those of the network are to be written: they are each network namespace's own.
mount_proc() {
	mount -t proc proc /proc
	mount --bind /proc/sys /proc/sys
	mount -o remount,bind,ro /proc/sys
	mount --bind /proc/sys/net /proc/sys/net
	mount -o remount,bind,rw /proc/sys/net
	[ ! -e /proc/sysrq-trigger ] || mount --bind /dev/null /proc/sysrq-trigger
}

# No disk, no log of the kernel, no terminal but the one this was started from
small_dev() {
	local dev=/mnt/dev node
	mkdir $dev
	mount -t tmpfs tmpfs $dev
	mkdir $dev/{net,pts,shm}
	for node in null zero full random urandom tty net/tun; do
		: >$dev/$node
		mount --bind /dev/$node $dev/$node
	done
	mount -t devpts -o newinstance,ptmxmode=0666 devpts $dev/pts
	mount -t tmpfs tmpfs $dev/shm
	ln -s pts/ptmx $dev/ptmx
	ln -s /proc/self/fd $dev/fd
	ln -s /proc/self/fd/0 $dev/stdin
	ln -s /proc/self/fd/1 $dev/stdout
	ln -s /proc/self/fd/2 $dev/stderr
	mount -n --move $dev /dev
}

fail_start() {
	echo "lab: $*" >&2
	exit 1
}
