# The guest dies in the middle.
# module: no
check "it begins" true
echo c >/proc/sysrq-trigger
sleep 10
