# shellcheck shell=bash
# After a scenario: nothing may be left of it, and the kernel must not have complained.

KERNEL_COMPLAINTS='WARNING:|BUG:|BUG |Oops|general protection|Call Trace|KASAN|KCSAN|UBSAN|kmemleak:.*new suspected|unreferenced object'
KERNEL_COMPLAINTS+='|refcount_t|ref_tracker|leaked reference|unregister_netdevice: waiting|(circular|recursive) locking|inconsistent lock|suspicious RCU'
KERNEL_COMPLAINTS+='|INFO: (rcu|task|trying)|soft lockup|blocked for more than|workqueue lockup|scheduling while atomic|sleeping function'
KERNEL_COMPLAINTS+='|page allocation failure|DEBUG_LOCKS|ODEBUG|(list_add|list_del) corruption|dst_release|DEAD'

namespaces() {
	ip netns list | awk '{ print $1 }'
}

kill_all_of() {
	local ns pids
	for ns in $(namespaces); do
		pids=$(ip netns pids "$ns")
		# shellcheck disable=SC2086 # a list of numbers
		[ -z "$pids" ] || kill -9 $pids 2>/dev/null
	done
}

unload_module() {
	local deadline=$((SECONDS + 15))
	[ "$LAB_TARGET" != host ] || return 0
	grep -q '^ntmobile ' /proc/modules || return 0
	until rmmod ntmobile 2>/mnt/state/rmmod; do
		if [ $SECONDS -ge $deadline ]; then
			tap_point "not ok" "$LAB_NAME: the module can be unloaded afterwards"
			tap_diag_file /mnt/state/rmmod
			return
		fi
		sleep 0.2
	done
}

clean_up() {
	local ns
	kill_all_of
	for ns in $(namespaces); do
		ip netns del "$ns"
	done
	rm -rf /mnt/state/* /tmp/* 2>/dev/null
	unload_module
}

# kmemleak tells of an object that is old enough and that two scans saw unchanged
scan_for_leaks() {
	local line file=/sys/kernel/debug/kmemleak
	[ -w $file ] || return 0
	sleep 5
	echo scan >$file
	echo scan >$file
	while IFS= read -r line; do
		echo "<4>$line" >/dev/kmsg
	done <$file
	echo clear >$file
}

# The log of the machine's own kernel tells of others too, and is not ours to write to
mark_kernel_log() {
	[ "$LAB_TARGET" = host ] || echo "<6>lab: scenario $1 begins" >/dev/kmsg
}

# The kernel's log since the scenario began
check_kernel_log() {
	local first
	[ "$LAB_TARGET" != host ] || return 0
	scan_for_leaks
	dmesg | awk '/lab: scenario .* begins/ { text = "" } { text = text $0 "\n" } END { printf "%s", text }' >"$LAB_OUT/dmesg"
	grep -nE "$KERNEL_COMPLAINTS" "$LAB_OUT/dmesg" >/mnt/state/complaints || return 0
	tap_point "not ok" "$LAB_NAME: the kernel does not complain"
	first=$(head -n 1 /mnt/state/complaints | cut -d: -f1)
	sed -n "$((first > 5 ? first - 5 : 1)),$((first + 80))p" "$LAB_OUT/dmesg" | tap_diag
}
