# A second of the guest's is one of the machine's: its real-time clock is not what its kernel measured while it started.
# module: no
# on: qemu-6.12
# on-long: qemu-6.1

# The real-time clock's next second
next_second() {
	local now
	now=$(</sys/class/rtc/rtc0/since_epoch)
	while [ "$(</sys/class/rtc/rtc0/since_epoch)" = "$now" ]; do :; done
}

next_second
t0=$(now_ms)
for _ in 1 2 3 4 5; do
	next_second
done
ms=$(($(now_ms) - t0))
at_least "five seconds take no less" $ms 4000
at_most "and no more" $ms 6000
