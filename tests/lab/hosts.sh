# Two hosts on one network, both families.
# module: no
# on: host
# on-long: qemu-6.12

net internet
host a b
link a internet 192.0.2.10/24 2001:db8::10/64
link b internet 192.0.2.20/24 2001:db8::20/64

check "a reaches b over IPv4" on a ping -c 1 -W 2 192.0.2.20
check "a reaches b over IPv6" on a ping -c 1 -W 2 2001:db8::20
check_not "a does not reach what is not there" on a ping -c 1 -W 1 192.0.2.99
is "a host knows its name" "$(on a hostname)" a

hosts_entry a 192.0.2.20 bob.example.org
check "a host has its own /etc/hosts" on a getent hosts bob.example.org
check_not "another host has not" on b getent hosts bob.example.org

on a sh -c 'echo mine >/var/lib/x; echo mine >/run/x'
check_not "a host has its own /var/lib" on b test -e /var/lib/x
check_not "a host has its own /run" on b test -e /run/x
is "the scenario sees a host's files" "$(cat "$(file_of a /run/x)")" mine
