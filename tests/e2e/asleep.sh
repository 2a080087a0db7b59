# shellcheck shell=bash
# The machine sleeps (ACPI S3, woken up by its real-time clock) for longer than keys and leases last: nodes are back when it is.
# on-long: qemu-6.12/tun qemu-6.12
# without: mixed: each end wakes up for itself
# timeout: 420
#
# The network: lib/one-net. All of it is in one machine, and so the coordinator sleeps as well.

# shellcheck source=tests/e2e/lib/one-net
. /mnt/lab/src/tests/e2e/lib/one-net
one_net
dc dc lease=60
node mn mn dc
node cn cn dc
check "a tunnel stands" on mn ping -c 1 -W 2 cn.example.net
v4=$(virtual4 cn)

RTC=/sys/class/rtc/rtc0
SLEEP=190 # keys are good for 180

online() {
	dc_ctl dc nodes | grep -c " online "
}

before=$(cut -d. -f1 /proc/uptime)
echo 0 >$RTC/wakealarm
echo "+$SLEEP" >$RTC/wakealarm
check "the machine sleeps" eval 'echo mem >/sys/power/state'
at_least "and that long" $(($(cut -d. -f1 /proc/uptime) - before)) $((SLEEP - 5))
check "the tunnel is there again" eventually 5 on mn ping -c 1 -W 1 "$v4"
like "mn has seen that it slept" "$(logs mn ntmd)" 'this host slept for (1[89]|2[0-9])[0-9] s'
check "both are registered again" eventually 5 eval '[ "$(online)" = 2 ]'
like "and no packet is lost" "$(on mn ping -c 20 -i 0.1 -W 2 "$v4")" ' 20 received, 0% packet loss'
