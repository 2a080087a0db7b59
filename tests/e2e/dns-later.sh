# shellcheck shell=bash
# A host's resolver that cannot be told of the zone is told later, though nothing else changes. On mn another ntmd looks after it
# at first, and then nobody does; the manager of cn is so slow that nobody waits until it fails.
# on: host
# on-long: qemu-6.12 qemu-6.12/mixed
# timeout: 120
#
#   dc --- internet --- mn, cn

# shellcheck source=tests/e2e/lib/managers
. /mnt/lab/src/tests/e2e/lib/managers

net internet
host dc mn cn
link dc internet 192.0.2.1/24
link mn internet 192.0.2.10/24
link cn internet 192.0.2.20/24
dc dc
dns dc www.example.org=192.0.2.80
for h in mn cn; do
	resolver $h 192.0.2.1
	cp "$(file_of $h /etc/resolv.conf)" /tmp/before.$h
done

names_us() {
	grep -q '^nameserver 100\.64\.0\.1$' "$(file_of "$1" /etc/resolv.conf)"
}
as_before() {
	cmp -s "$(file_of "$1" /etc/resolv.conf)" "/tmp/before.$1"
}
found() {
	on "$1" getent ahostsv4 "$2" | awk '{ print $1; exit }'
}
finds() {
	[ "$(found "$1" "$2")" = "$3" ]
}
has_new_guard() {
	local new
	new=$(guard)
	[ -n "$new" ] && [ "$new" != "$1" ]
}
REFUSED='example\.net: another ntmd looks after'

bg_ready mn other '^told: ' ntm-dns serve file lo example.com 127.0.0.9 - 192.0.2.99 2001:db8::99
node mn mn dc dns=file
check "the log says that the resolver does not know of the zone" eventually 5 logged_more mn ntmd "$REFUSED" 0
check_not "nor does it" names_us mn
is "other names are found" "$(found mn www.example.org)" 192.0.2.80
stop mn other
check "when it can be told, it is soon" eventually 15 names_us mn
is "names of the zone are found" "$(found mn mn.example.net)" "$(virtual4 mn)"
is "other names, too" "$(found mn www.example.org)" 192.0.2.80
is "the log has complained once" "$(logged mn ntmd "$REFUSED")" 1

# What was told stays so without its guard, but nobody would take it back
old=$(guard) told=$(logged mn ntmd 'names of example\.net are resolved')
kill -9 "$old"
check "its guard killed, ntmd tells it again (10 s: the second time within a minute)" eventually 15 logged_more mn ntmd 'names of example\.net are resolved' "$told"
check "and there is another guard" has_new_guard "$old"
kill9 mn ntmd
check "which takes it back, ntmd killed as well" eventually 5 as_before mn

# A manager that takes longer than the 2 s that ntmd waits, and fails
cp -a /usr/sbin /tmp/sbin
cat >/tmp/sbin/resolvconf <<'END'
#!/bin/sh
# openresolv, as far as ntmd sees
[ "$1" = -a ] || exec sed -i '/100\.64\.0\.1$/d' /etc/resolv.conf
echo >>/run/asked
sleep 3
[ -e /run/works ] && sed -i '1i nameserver 100.64.0.1' /etc/resolv.conf
END
chmod 755 /tmp/sbin/resolvconf
on cn mount --bind /tmp/sbin /usr/sbin
asked() {
	[ "$(wc -l <"$(file_of cn /run/asked)")" -gt "$1" ]
}
node cn cn dc dns=resolvconf
check "the log says what went wrong late" eventually 10 logged_more cn ntmd 'example\.net: .*resolvconf.*failed' 0
check "that is tried again" eventually 10 asked 1
is "and ntmd is there meanwhile" "$(on cn dig +short +tries=1 +time=1 @100.64.0.1 cn.example.net A)" "$(virtual4 cn)"
touch "$(file_of cn /run/works)"
check "until it is told" eventually 20 names_us cn
check "so that names of the zone are found" eventually 5 finds cn cn.example.net "$(virtual4 cn)"
is "the log has complained once" "$(logged cn ntmd 'example\.net: .*resolvconf.*failed')" 1
