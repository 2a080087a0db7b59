# Two nodes on public IPv4, and a cable that is pulled out.
# on: qemu-6.12 uml/mixed host
# on-long: qemu-6.12/mixed
#
#   dc --- internet --- a (20 Mbit/s, 10 ms)
#                 \---- b

net internet
host dc a b
link dc internet 192.0.2.1/24 2001:db8::1/64
link a internet 192.0.2.10/24 --rate 20mbit --delay 10ms
link b internet 192.0.2.20/24

dns dc www.example.org=192.0.2.80 # a DNS server that knows nothing of NTMobile
resolver a 192.0.2.1
resolver b 192.0.2.1
dc dc zone=example.net           # a direction coordinator on host dc
node a alice dc                  # invited by the DC on host dc, joined, has its lease
node b bob dc

is "a finds bob's virtual address" "$(on a getent ahostsv4 bob.example.net | awk '{ print $1; exit }')" "$(virtual4 b)"
check "a reaches bob" on a ping -c 3 -W 2 bob.example.net
like "other names resolve as before" "$(on a getent hosts www.example.org)" '^192\.0\.2\.80 '

capture b internet outside udp port 4330
on a ping -c 3 -i 0.2 bob.example.net
capture_stop outside
at_least "it is the tunnel that carries it" "$(packets outside)" 6

large=(ping -i 0.1 -W 1 -M 'do' -s 1400 "$(virtual4 b)") # nearly all that fits
check "large packets pass" eventually 5 on a "${large[@]}" -c 1
bg a large "${large[@]}"
unplug a internet
check_not "without a cable there is no way" on a ping -c 1 -W 1 bob.example.net
sleep 2
plug a internet
check "with it there is one again" eventually 10 on a ping -c 1 -W 1 bob.example.net
sleep 2
send_signal a large INT
unlike "that nothing passed says nothing of sizes" "$(logs a large)" 'mtu ?=|too long'
check "large packets pass again" on a "${large[@]}" -c 3
