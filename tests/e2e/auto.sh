# shellcheck shell=bash
# on: qemu-6.12
# on-long: qemu-6.1
# without: tun mixed: nodes have auto, and so the one or the other by turns
# timeout: 180
# datapath = auto: the module where it is loaded or can be, else a TUN device; the log says which and why. And what one leaves to the
# other.
#
#   dc --- internet --- a, b

conf_of() {
	file_of "$1" /etc/ntmobile/ntmd.conf
}

# says HOST TEXT: its ntmd has said so, after the first $before lines
before=0
says() {
	logs "$1" ntmd | tail -n "+$((before + 1))" | grep -q "$2"
}

kind_of() {
	ip -n "$1" -d link show dev ntm0 | grep -oE '\b(ntm|tun) ' | head -n 1
}

is_tun() {
	[ "$(kind_of "$1")" = "tun " ]
}

reach() {
	on a ping -c 1 -W 1 100.64.0.3
}

net internet
host dc a b
link dc internet 192.0.2.1/24 2001:db8::1/64
link a internet 192.0.2.10/24 2001:db8::10/64
link b internet 192.0.2.20/24 2001:db8::20/64
dc dc
node a alice dc datapath=auto
check "without the module a takes a TUN device, and says why" \
	says a 'data path: user space, by a TUN device, since .*load the module'
check "its interface is one" is_tun a
load_module
node b bob dc datapath=auto
check "with it b takes the module" says b 'data path: kernel module'
is "its interface is the module's" "$(kind_of b)" "ntm "
require "they reach each other" eventually 10 reach

before=$(logs b ntmd | wc -l)
eventually 5 rmmod ntmobile # a dump under way holds it
check "the module is removed: b notices" eventually 5 says b 'the data path is gone'
check "and goes on with a TUN device" eventually 10 says b 'data path: user space, by a TUN device, since'
check "they reach each other again" eventually 30 reach

stop b ntmd
load_module
before=$(logs b ntmd | wc -l)
again b ntmd
check "started with the module, b takes it" eventually 10 says b 'data path: kernel module'
check "they reach each other" eventually 30 reach

# Not loaded, and can be: the kernel asks modprobe for it when the interface is made
stop b ntmd
eventually 5 rmmod ntmobile
extra=/lib/modules/$(uname -r)/extra
mkdir "$extra"
cp /mnt/lab/ntmobile.ko "$extra"
depmod
before=$(logs b ntmd | wc -l)
again b ntmd
check "where the module can be loaded, b takes it" eventually 10 says b 'data path: kernel module'
rm -r "$extra"
depmod
check "they reach each other" eventually 30 reach

kill9 b ntmd
is "killed, it leaves the module's interface" "$(kind_of b)" "ntm "
sed -i 's/^datapath = .*/datapath = tun/' "$(conf_of b)"
again b ntmd
check "a TUN device takes its name" eventually 10 is_tun b
check "they reach each other" eventually 30 reach

stop b ntmd
ip -n b link add ntm0 type veth peer name not-ours
before=$(logs b ntmd | wc -l)
again b ntmd
check "an interface of somebody else is left alone" eventually 10 says b 'no data path: the TUN interface cannot be made'
check "it is still there" on b ip link show dev not-ours
