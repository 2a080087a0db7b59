# shellcheck shell=bash
# on: qemu-6.12
# without: tun mixed: the module by itself
# timeout: 60
# The module has netfilter hooks in a namespace as long as a device of its kind is there, and nowhere else. (Debian's 6.1 cannot
# list hooks.)

# hooks HOST: how many of them are the module's
hooks() {
	on "$1" nft list hooks | grep -c ntmobile || true
}

host a b
load_module
is "without a device there are none" "$(hooks a)" 0
on a ip link add ntm0 type ntm
at_least "with one there are: two ways, two families" "$(hooks a)" 4
before=$(hooks a)
is "in its namespace alone" "$(hooks b)" 0
on a ip link add ntm1 type ntm
is "another one shares them" "$(hooks a)" "$before"
on a ip link del ntm0
is "they stay with the last" "$(hooks a)" "$before"
on a ip link del ntm1
is "and go with it" "$(hooks a)" 0
on a ip link add ntm0 type ntm
at_least "to be there again" "$(hooks a)" "$before"
