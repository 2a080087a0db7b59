#!/bin/bash
# The lab's target host must not reach the machine, and must leave nothing behind, even when it is killed.
# tap: yes
cd "$(dirname "$0")/../.." || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0

point() {
	n=$((n + 1))
	echo "$1 $n - lab on host: $2"
}

check() {
	local text=$1
	shift
	if "$@" >"$tmp/said" 2>&1; then
		point ok "$text"
	else
		point "not ok" "$text"
		sed 's/^/# /' "$tmp/said"
	fi
}

lab_says() {
	grep -qE "$1" "$tmp/lab" || { cat "$tmp/lab" && return 1; }
}

# What a scenario could change, and must not: mounts, interfaces, namespaces, routes, firewall, settings, files
machine() {
	cat /proc/mounts
	ip -o link show | sed 's/ mtu .*//'
	ip -o addr show | sed 's/valid_lft.*//'
	ip netns list
	ip route show table all | sed 's/ expires [0-9]*sec//'
	nft list ruleset
	cat /proc/sys/kernel/core_pattern /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding
	hostname
	sha256sum /etc/hosts /etc/resolv.conf /etc/hostname
	ls -A /etc /run/netns /var/lib /usr/local/bin 2>&1
}

# processes MARK: those that have it in their command line
processes() {
	local file
	for file in /proc/[0-9]*/cmdline; do
		! tr '\0' ' ' <"$file" 2>/dev/null | grep -q -- "$1" || echo "${file//[^0-9]/}"
	done
}

gone_within() {
	local i
	for ((i = 0; i < $1 * 10; i++)); do
		[ -n "$(processes "$2")" ] || return 0
		sleep 0.1
	done
	echo "left: $(processes "$2")"
	return 1
}

begun() {
	local i
	for ((i = 0; i < 300; i++)); do
		[ -z "$(processes "$1")" ] || return 0
		sleep 0.1
	done
	return 1
}

cat >"$tmp/reach.sh" <<'END'
# module: no
host a
on a ip link add lab-left type veth peer name lab-right
on a hostname changed
echo x >/tmp/lab-left
for file in /etc/lab-left /run/lab-left /var/lib/lab-left /var/tmp/lab-left /root/lab-left; do
	check "$file is its own" touch "$file"
done
for file in /usr/lab-left /usr/local/bin/lab-left /home/lab-left /lab-left; do
	check_not "$file is not to be made" touch "$file"
done
check_not "a setting of the kernel is not to be changed" sh -c 'echo x >/proc/sys/kernel/core_pattern'
check "one of the network's is its own" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
check "the machine's processes are out of sight" grep -q guest/init /proc/1/cmdline
check_not "so are its disks" sh -c 'ls /dev/[sv]da* /dev/nvme*'
check_not "and its kernel's log" test -e /dev/kmsg
check_not "the mode of a device is not to be changed" chmod 666 /dev/null
check "but it is there to be written to" sh -c 'echo x >/dev/null'
check_not "no module is taken out" rmmod -f tun
check_not "the clock is not to be set" date -s 2001-01-01
check "the network is an empty one" test "$(ip -o link show | grep -c -v ' lo: ')" = 0
END

# sleeper NAME TIMEOUT: a scenario that leaves processes behind
sleeper() {
	cat >"$tmp/$1.sh" <<-END
		# module: no
		# timeout: $2
		host a
		bg a sleeper sleep $MARK
		bg a another sh -c 'setsid sleep $MARK & exec sleep $MARK'
		check "it sleeps" true
		sleep 50
	END
}

MARK=54321.$$
machine >"$tmp/before"
check "a scenario cannot reach the machine" scripts/lab run --on host "$tmp/reach.sh"
machine >"$tmp/after"
check "and leaves it as it was" diff "$tmp/before" "$tmp/after"

sleeper slow 2
scripts/lab run --on host "$tmp/slow.sh" >"$tmp/lab" 2>&1
check "a scenario that takes too long fails" lab_says '^not ok .*slow: takes less than 2 s'
check "and leaves no process" gone_within 5 $MARK

sleeper long 100
for signal in TERM KILL; do
	scripts/lab run --on host "$tmp/long.sh" >"$tmp/lab" 2>&1 &
	lab=$!
	check "it runs" begun $MARK
	kill -s $signal $lab
	wait $lab 2>/dev/null
	check "ended by SIG$signal the lab leaves no process of the scenario" gone_within 5 $MARK
	check "and none of its own" gone_within 5 "$tmp/long.sh"
done
machine >"$tmp/after"
check "and nothing else" diff "$tmp/before" "$tmp/after"

chmod 711 "$tmp"
setpriv --reuid 65534 --clear-groups scripts/lab run --on host tests/lab/hosts.sh >"$tmp/lab" 2>&1
check "who is not root is told so" lab_says 'run it as root'
echo "1..$n"
