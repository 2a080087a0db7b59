# A complaint in the kernel's log fails.
# module: no
check "all is well" true
echo "<4>WARNING: this is only a test" >/dev/kmsg
