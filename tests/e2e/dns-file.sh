# shellcheck shell=bash
# /etc/resolv.conf, where nothing looks after it.
# module: no
# without: kernel tun mixed: a host's resolver, and no node
# timeout: 150

. /mnt/lab/src/tests/e2e/lib/managers

managed_net
conf=$(file_of a /etc/resolv.conf)
echo "search example.org" >>"$conf"
cp "$conf" /tmp/before

serve auto
check "resolv.conf is what is there" eventually 10 told_is "told: /etc/resolv.conf"
check_names "told"
is "we are the first server, the one of before is next" "$(sed -n 's/^nameserver //p' "$conf" | paste -sd' ')" "100.64.0.1 192.0.2.53"
check "what else it says is kept" grep -qx "search example.org" "$conf"
is "so that short names work" "$(libc www)" 192.0.2.80
check "other queries are passed on to the server of before" upstream_is 192.0.2.53:53
is "of the zone it hears nothing" "$(zone_asked ns)" 0
is "TCP" "$(on a dig +short +tcp @100.64.0.1 alice.example.net A)" 100.64.0.7
is "our IPv6 address" "$(on a dig +short @fd00:4e54::1 alice.example.net AAAA)" fd00:4e54::7
is "others over TCP" "$(on a dig +short +tcp @100.64.0.1 www.example.org A)" 192.0.2.80
is "and over IPv6" "$(on a dig +short @fd00:4e54::1 www.example.org A)" 192.0.2.80
is "an answer larger than a datagram comes whole by TCP" \
	"$(on a dig +short +tcp +bufsize=1232 @100.64.0.1 large.example.org TXT | tr -d '" \n' | wc -c)" 3000

# From outside, over the wire, nobody is answered
from_outside() {
	on ns dig +tries=1 +time=1 @100.64.0.1 alice.example.net "$@" 2>&1 || true
}
on ns ip route add 100.64.0.0/16 via 192.0.2.10
like "other hosts are not heard" "$(from_outside)" 'no servers could be reached|timed out'
like "by TCP neither" "$(from_outside +tcp)" 'end of file|reset|no servers'
on a sysctl -qw net.ipv4.ip_nonlocal_bind=1
like "nor where programs may bind to any address" "$(from_outside)" 'no servers could be reached|timed out'
like "by TCP" "$(from_outside +tcp)" 'end of file|reset|no servers'
is "while this host is" "$(on a dig +short -b 127.0.0.7 @100.64.0.1 alice.example.net A)" 100.64.0.7
on a sysctl -qw net.ipv4.ip_nonlocal_bind=0

# A second ntmd does not interfere
like "there can be only one" "$(on a ntm-dns serve file ntm0 example.net 127.0.0.1 - 1.2.3.4 ::1 2>&1 || true)" "another ntmd"
check "which is not harmed" finds_zone

# The host moves: somebody writes the file anew
printf 'nameserver 192.0.2.54\noptions timeout:4 attempts:1\n' >/tmp/moved
cp /tmp/moved "$conf"
check "we are in the new file soon" eventually 5 grep -q 100.64.0.1 "$conf"
check "its server is asked" eventually 5 upstream_is 192.0.2.54:53
check "others are found" eventually 5 finds_others 192.0.2.81
check "and the zone" finds_zone

# With this, the C library would ask each server in its turn. In one step, for our own writing is looked at once more
printf 'nameserver 192.0.2.54\noptions timeout:4 rotate attempts:1\n' >/tmp/moved
cp /tmp/moved "$(file_of a /etc/new.conf)"
on a mv /etc/new.conf /etc/resolv.conf
check "we are in the file with rotate soon" eventually 5 grep -q 100.64.0.1 "$conf"
is "which we leave out" "$(sed -n 's/^options //p' "$conf")" "timeout:4 attempts:1"
always_finds_zone() {
	for _ in {1..10}; do finds_zone || return; done
}
check "the zone is found each time" always_finds_zone

stop a ntm-dns
check "the end leaves the new file" cmp "$conf" /tmp/moved
is "and nothing else" "$(on a ls /var/lib/ntmd | wc -l)" 0
check "others are found as before" finds_others 192.0.2.81

# Where no server is named, the C library asks this host
echo 'options timeout:4 attempts:1' >"$conf"
cp "$conf" /tmp/nameless
dns a --listen-address=127.0.0.1 www.example.org=192.0.2.82
check "a name server on this host is asked" finds_others 192.0.2.82
serve file
check "and so it is with us before it" eventually 5 upstream_is 127.0.0.1:53
check "others are found" finds_others 192.0.2.82
check "and the zone" finds_zone
stop a ntm-dns
check "the end brings the file of before back" cmp "$conf" /tmp/nameless
rm "$conf"
serve file
check "without a file, too" eventually 5 upstream_is 127.0.0.1:53
check "others are found" finds_others 192.0.2.82
stop a ntm-dns
stop a dnsmasq

# Killed
cp /tmp/before "$conf"
serve file
kill9 a ntm-dns
check "killed: the file of before is back" eventually 3 cmp "$conf" /tmp/before
check "others are found" finds_others 192.0.2.80
check "nothing is left to undo" eventually 3 guard_gone

# A link to somebody else's file
mv "$conf" "$(file_of a /run/else.conf)"
on a ln -s /run/else.conf /etc/resolv.conf
serve file
check_names "with a link"
kill9 a ntm-dns
check "killed: the link is back" eventually 3 on a test -L /etc/resolv.conf
is "to the same file" "$(on a readlink /etc/resolv.conf)" /run/else.conf
check "which nobody touched" on a cmp /run/else.conf /tmp/before

# Its owner goes on writing it; the link is a relative one, as most are
on a ln -sfn ../run/else.conf /etc/resolv.conf
serve file
check "we are where the link was" eventually 5 finds_zone
cp /tmp/moved "$(file_of a /run/else.new)"
on a mv /run/else.new /run/else.conf
check "what the owner writes is in our file soon" eventually 5 on a grep -q 192.0.2.54 /etc/resolv.conf
check "its server is asked" eventually 5 upstream_is 192.0.2.54:53
check "others are found" eventually 5 finds_others 192.0.2.81
check "and the zone" finds_zone
cp /tmp/before "$(file_of a /run/else.conf)"
check "and so when it is written in place" eventually 5 upstream_is 192.0.2.53:53
stop a ntm-dns
is "the end brings the link back" "$(on a readlink /etc/resolv.conf)" ../run/else.conf
check "to what the owner wrote" on a cmp /run/else.conf /tmp/before
on a ln -sfn /run/else.conf /etc/resolv.conf

# A power cut: ntmd and its guard at once, and /run is gone
serve file
kill9_both
check "a power cut leaves us in the file" on a grep -q 100.64.0.1 /etc/resolv.conf
rm "$(file_of a /run/ntmd.dns)"
on a ntm-dns undo
is "which is recognised later" "$(on a readlink /etc/resolv.conf)" /run/else.conf
serve file
kill9_both
serve file
check_names "the next ntmd"
stop a ntm-dns
is "and ends in what was before both" "$(on a readlink /etc/resolv.conf)" /run/else.conf

# As the unit has it: nothing of /etc can be written but what it says
on a rm /etc/resolv.conf
cp /tmp/before "$conf"
# shellcheck disable=SC2016 # expanded by the inner shell
sandbox='
	mount --bind /etc /etc
	mount -o remount,bind,ro /etc
	for path in $(sed -n "s/^ReadWritePaths=//p" /mnt/lab/src/scripts/systemd/ntmd.service); do
		path=${path#-}
		case $path in /etc*) mount --bind $path $path && mount -o remount,bind,rw $path ;; esac
	done
	exec "$@"'
serve file unshare --mount sh -e -c "$sandbox" sh
check_names "as the unit has it"
cp /tmp/moved "$(file_of a /etc/new.conf)"
on a mv /etc/new.conf /etc/resolv.conf
check "a new file is renamed into place: we are in it soon" eventually 5 grep -q 100.64.0.1 "$conf"
check "its server is asked" eventually 5 upstream_is 192.0.2.54:53
stop a ntm-dns
check "the end leaves the new file" cmp "$conf" /tmp/moved

# A file that is a mount of its own, as in containers
on a rm /etc/resolv.conf
cp /tmp/before "$conf"
cp /tmp/before /tmp/mounted
on a mount --bind /tmp/mounted /etc/resolv.conf
serve file
check_names "a mount"
kill9 a ntm-dns
check "killed: its text is back" eventually 3 cmp /tmp/mounted /tmp/before

# Systemd sends SIGTERM to the guard as well
serve file
guard=$(guard)
kill "$guard"
sleep 0.2
check "the guard does not end by a signal" kill -0 "$guard"
check "and has no capability" grep -q '^CapEff:.*0000000000000000$' "/proc/$guard/status"
stop a ntm-dns
check "but with ntmd" eventually 3 cmp /tmp/mounted /tmp/before
check "switched off, nothing is touched" serve off
check "the file is as it was" cmp /tmp/mounted /tmp/before
check "the servers are known all the same" upstream_is 192.0.2.53:53
