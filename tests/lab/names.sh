# A DNS server, and programs that use it.
# module: no
# on: host
# on-long: qemu-6.12

net internet
host a server
link a internet 192.0.2.10/24 2001:db8::10/64
link server internet 192.0.2.53/24 2001:db8::53/64
dns server www.example.org=192.0.2.80,2001:db8::80 only4.example.org=192.0.2.81
resolver a 192.0.2.53

like "getent finds an IPv4 address" "$(on a getent ahostsv4 www.example.org)" "192\.0\.2\.80"
like "getent finds an IPv6 address" "$(on a getent ahostsv6 www.example.org)" "2001:db8::80"
exits "getent does not find what is not there" 2 on a getent hosts nowhere.example.org
is "dig finds a name" "$(on a dig +short only4.example.org A)" 192.0.2.81
like "an unknown name is NXDOMAIN" "$(on a dig nowhere.example.org A)" NXDOMAIN
like "a known name without an address of the family is not" "$(on a dig only4.example.org AAAA)" NOERROR
resolver a 2001:db8::53
is "over IPv6 too" "$(on a dig +short only4.example.org A)" 192.0.2.81
