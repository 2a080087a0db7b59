# A scenario has its time.
# module: no
# timeout: 3
check "it begins" true
sleep 100
