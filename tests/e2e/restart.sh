# shellcheck shell=bash
# ntmd and ntm-dc killed, started again, and told to go.
# on: qemu-6.12 uml/mixed host
# on-long: qemu-6.1 qemu-6.12/mixed
# timeout: 300
#
# The network: lib/one-net

# shellcheck source=tests/e2e/lib/one-net
. /mnt/lab/src/tests/e2e/lib/one-net
one_net
dc dc
node mn mn dc
node cn cn dc
check "a tunnel stands" on mn ping -c 1 -W 2 cn.example.net
v4=$(virtual4 mn) v6=$(virtual6 mn)

kill9 mn ntmd
is "ntmd killed, DNS works" "$(on mn dig +short www.example.org A)" 192.0.2.80
like "the zone's names are what the DNS says" "$(on mn dig +tries=1 +time=3 cn.example.net A)" 'NXDOMAIN|REFUSED|SERVFAIL'
exits "ntmctl says that nobody is there" 3 ctl mn
again mn ntmd
check "a new ntmd takes over" eventually 10 registered mn
is "with the same IPv4" "$(virtual4 mn)" "$v4"
is "and the same IPv6" "$(virtual6 mn)" "$v6"
is "one interface only" "$(on mn ip -o link show | grep -c ' ntm')" 1
check "its peer is reached again" eventually 10 on mn ping -c 1 -W 1 cn.example.net

# The peer that was killed knows nothing of the path; the one that was not finds out by what does not come back
kill9 cn ntmd
again cn ntmd
eventually 10 registered cn
bg mn ping ping -i 0.5 -c 60 -W 1 "$(virtual4 cn)"
answered() {
	logs mn ping | grep -q 'bytes from'
}
# 5 s until it is seen, 15 s until it is too long, up to 5 s until the next look, and a set-up
check "a dead tunnel is made anew within 28 s" eventually 28 answered
stop mn ping

kill9 dc ntm-dc
again dc ntm-dc
nxdomain() {
	on mn dig +tries=1 +time=4 nobody.example.net A | grep -q NXDOMAIN
}
check "a DC killed and started again is found again" eventually 20 nxdomain
check "mn is registered" registered mn
stop mn ntmd
check "told to go, ntmd says goodbye to the DC" eventually 3 grep -q 'mn.example.net says goodbye' "$LAB_OUT/dc/ntm-dc.log"
no_tunnel() {
	! ctl "$1" | grep -q ' up '
}
check "and to its peers" eventually 3 no_tunnel cn
check_not "its interface is gone" on mn ip link show ntm0
like "at once its name is SERVFAIL" "$(on cn dig +tries=1 +time=4 mn.example.net A)" SERVFAIL
again mn ntmd
check "and again" eventually 15 on cn ping -c 1 -W 1 mn.example.net
send_signal mn ntmd HUP
check "SIGHUP reloads" eventually 3 grep -q 'configuration reloaded' "$LAB_OUT/mn/ntmd.log"
check "and changes nothing else" on cn ping -c 1 -W 2 mn.example.net
on mn ip link del ntm0
check "an interface that somebody deletes comes back" eventually 15 has_lease mn
check "and works" eventually 15 on mn ping -c 1 -W 1 cn.example.net

# Without what its data path needs: the module, or the device that makes TUN devices
stop mn ntmd
stop cn ntmd
if [ "$(datapath_of mn)" = kernel ]; then
	what='without the module' advice='modprobe|insmod'
	rmmod ntmobile
	again mn ntmd
else
	what='without /dev/net/tun' advice='tun'
	bg mn ntmd unshare --mount sh -c 'mount -t tmpfs none /dev/net && exec ntmd -c /etc/ntmobile/ntmd.conf'
fi
check "a node that joined does not start $what" eventually 10 ended mn ntmd
like "and says what to do" "$(logs mn ntmd | tail -n 2)" "$advice"
[ "$(datapath_of mn)" != kernel ] || load_module
bg mn ntmd ntmd -c /etc/ntmobile/ntmd.conf
check "with it, it starts" eventually 10 registered mn
