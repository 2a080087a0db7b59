# shellcheck shell=bash
# systemd-resolved, by D-Bus.
# module: no
# without: kernel tun mixed: a host's resolver, and no node
# timeout: 150
# packages: systemd-resolved libsystemd-shared libip4tc2 dbus-daemon dbus-bin dbus-system-bus-common

. /mnt/lab/src/tests/e2e/lib/managers

managed_net
package a systemd-resolved libsystemd-shared libip4tc2 dbus-daemon dbus-bin dbus-system-bus-common
resolver a 127.0.0.53
bus a
resolved a 192.0.2.53
check "the host resolves names by itself" eventually 10 finds_others 192.0.2.80
is "the zone's names are unknown" "$(libc alice.example.net)" ""
on a cp /etc/resolv.conf /tmp/before

serve auto
check "resolved is what is there" eventually 10 told_is "told: systemd-resolved \(D-Bus\)"
check_names "told"
show on a resolvectl status ntm0
like "our server is the link's" "$(on a resolvectl dns ntm0)" '100\.64\.0\.1 fd00:4e54::1'
like "for the zones alone" "$(on a resolvectl domain ntm0 | tr ' ' '\n' | grep '~' | sort | paste -sd' ')" '^~b\.example\.org ~example\.net$'
like "and nothing else" "$(on a resolvectl default-route ntm0)" 'no$'
before=$(logs a ntm-dns | grep -c '^query' || true)
like "a query for another name" "$(on a dig +short www.example.org)" 192.0.2.80
is "does not come to us" "$(logs a ntm-dns | grep -c '^query' || true)" "$before"
is "of the zone the name server hears only what was asked before" "$(zone_asked ns)" "$(logs ns dnsmasq | grep -cE 'query.* alice\.example\.net from' || true)"
check "resolv.conf is not touched" on a cmp /etc/resolv.conf /tmp/before
check "the other server is known" upstream_is 192.0.2.53:53
is "what comes to us all the same is passed on" "$(on a dig +short @100.64.0.1 www.example.org)" 192.0.2.80

stop a ntm-dns
unlike "the end leaves nothing" "$(on a resolvectl dns ntm0)" '100\.64'
is "the zone's names are unknown" "$(libc alice.example.net)" ""

# Killed, with the interface staying as the module's does
serve resolved
check "told again" eventually 5 finds_zone
kill9 a ntm-dns
eventually 5 guard_gone
unlike "killed: nothing is left" "$(on a resolvectl dns ntm0)" '100\.64'
check "others are found" finds_others 192.0.2.80

# Killed with its guard, with the interface gone as that of a TUN
serve resolved
kill9_both
like "killed with its guard, the settings stay" "$(on a resolvectl dns ntm0)" '100\.64'
on a ip link del ntm0
unlike "until the interface is gone" "$(on a resolvectl dns)" '100\.64'
ntm_link
serve resolved
check "the next ntmd" eventually 5 finds_zone

# A bus that hangs
send_signal a dbus STOP
stop a ntm-dns
check "a bus that hangs does not hinder the end" ended a ntm-dns
started() {
	logs a second | grep -qE '^(told|error): '
}
bg a second ntm-dns serve resolved ntm0 example.net 127.0.0.1 - 1.2.3.4 ::1
check "nor the start for long" eventually 4 started
