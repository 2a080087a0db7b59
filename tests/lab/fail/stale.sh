# The guest dies with a breakpoint of its own, each time.
# module: no
check "it begins" true
echo '<1>Oops: int3: 0000 [#1] (this is only a test)' >/dev/kmsg
echo c >/proc/sysrq-trigger
sleep 10
