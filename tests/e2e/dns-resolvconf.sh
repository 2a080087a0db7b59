# shellcheck shell=bash
# Debian's resolvconf.
# module: no
# without: kernel tun mixed: a host's resolver, and no node
# timeout: 150
# packages: resolvconf util-linux debianutils coreutils dash

. /mnt/lab/src/tests/e2e/lib/managers

managed_net
package a resolvconf util-linux debianutils coreutils dash
on a mkdir -p /run/resolvconf/interface
on a resolvconf --enable-updates
on a rm /etc/resolv.conf
on a ln -s /run/resolvconf/resolv.conf /etc/resolv.conf
printf 'nameserver 192.0.2.53\nsearch example.org\noptions timeout:4 attempts:1\n' | on a resolvconf -a eth0.dhclient
check "the host resolves names by itself" finds_others 192.0.2.80
on a cp /run/resolvconf/resolv.conf /tmp/before

serve auto
check "resolvconf is what is there" eventually 10 told_is "told: resolvconf"
check_names "told"
is "we come first" "$(on a sed -n 's/^nameserver //p' /etc/resolv.conf | paste -sd' ')" "100.64.0.1 192.0.2.53"
is "resolv.conf is still a link" "$(on a readlink /etc/resolv.conf)" /run/resolvconf/resolv.conf
is "of the zone the name server hears nothing" "$(zone_asked ns)" 0
check "the other server is known" upstream_is 192.0.2.53:53

# The host moves
printf 'nameserver 192.0.2.54\noptions timeout:4 attempts:1\n' | on a resolvconf -a eth0.dhclient
check "the new server is known" eventually 5 upstream_is 192.0.2.54:53
check "others are asked of it" eventually 5 finds_others 192.0.2.81
check "and the zone of us" finds_zone
unlike "nothing is complained of" "$(logs a ntm-dns)" rotate

# What resolvconf puts beside us is not for us to take out
printf 'nameserver 192.0.2.54\noptions timeout:4 attempts:1 rotate\n' | on a resolvconf -a eth0.dhclient
check "servers that take turns are told of" eventually 5 eval 'logs a ntm-dns | grep -q "with .rotate. in"'
printf 'nameserver 192.0.2.53\nsearch example.org\noptions timeout:4 attempts:1\n' | on a resolvconf -a eth0.dhclient

stop a ntm-dns
eventually 15 guard_gone # which ntmd waits for 2 s; the programs it runs may take longer
check "the end leaves nothing" on a cmp /run/resolvconf/resolv.conf /tmp/before
is "no record either" "$(on a resolvconf -i)" eth0.dhclient

serve resolvconf
check "told again" eventually 5 finds_zone
kill9 a ntm-dns
check "killed: nothing is left" eventually 15 on a cmp /run/resolvconf/resolv.conf /tmp/before
check "others are found" finds_others 192.0.2.80
eventually 15 guard_gone

serve resolvconf
kill9_both
check "killed with its guard, the record stays" on a grep -q 100.64.0.1 /etc/resolv.conf
on a ntm-dns undo
eventually 15 guard_gone
check "until it is undone" on a cmp /run/resolvconf/resolv.conf /tmp/before

# Where a loopback server comes before all, we cannot
printf 'nameserver 127.0.0.1\n' | on a resolvconf -a lo.unbound
serve resolvconf
check "behind a server of this host we do not fit" eventually 10 told_is "error: .*first server.*"
is "and leave no record" "$(on a resolvconf -i)" "lo.unbound eth0.dhclient"
