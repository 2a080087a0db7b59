# After a guest that died the rest runs in another.
# module: no
check "life goes on" true
