# on: uml
# on-long: uml-debug
# timeout: 120
# The kernel's pure parts: header, replay window, path table, ports of paths, relay table.

kunit /mnt/lab/ntmobile.ko
