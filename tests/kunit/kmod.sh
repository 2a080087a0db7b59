# on: uml
# on-long: uml-debug
# timeout: 120
# The kernel's pure parts: header, replay window, path table, ports of paths, relay table, order, merging, limits of keys.

kunit /mnt/lab/ntmobile.ko
