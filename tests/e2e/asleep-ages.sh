# on-long: qemu-6.12
# without: tun mixed: the module by itself
# timeout: 120
# The machine sleeps: for the module, too, time has passed. Fixed keys, no daemon.

. /mnt/lab/src/tests/e2e/lib/fixed-keys

RTC=/sys/class/rtc/rtc0
SLEEP=20

age() {
	on a ntm-cfg path get ntm0 7 | grep -oE "\blast_$1_ms=[0-9]+" | cut -d= -f2
}

fixed_pair
check "ping" on a ping -c 1 -W 2 10.9.0.2
at_most "what came is fresh" "$(age rx)" 5000
echo 0 >$RTC/wakealarm
echo "+$SLEEP" >$RTC/wakealarm
check "the machine sleeps" eval 'echo mem >/sys/power/state'
at_least "what came is as old as that" "$(age rx)" $(((SLEEP - 2) * 1000))
at_least "what was sent is, too" "$(age tx)" $(((SLEEP - 2) * 1000))
check "ping" on a ping -c 1 -W 2 10.9.0.2
at_most "and now it is fresh again" "$(age rx)" 5000
