# on-long: host uml/mixed qemu-6.12
# timeout-long: 300
# timeout: 300
# `ntmctl netcheck --lifetime` finds out how long a NAT keeps a mapping: 40 s here.
#
#   dc, rs --- internet --- nat (a full cone, 40 s) --- home --- a

net internet home
host dc rs a
router nat
link dc internet 192.0.2.1/24
link rs internet 192.0.2.9/24
link nat internet 192.0.2.77/24
link nat home 10.0.0.1/24
link a home 10.0.0.5/24
gateway a 10.0.0.1
nat nat internet --kind full-cone --timeout 40

dc dc
rs rs relay dc
node a alice dc
relay_is_known() {
	ctl a netcheck | grep -q 'relay\.example\.net  [0-9]'
}
check "the relay is known" eventually 15 relay_is_known
ctl a netcheck --json --lifetime | tr -d ' \n' >/tmp/lifetime
like "the mapping's lifetime" "$(cat /tmp/lifetime)" '"lifetime_s":\[30,45\]'
