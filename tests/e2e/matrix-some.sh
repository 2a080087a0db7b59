# Some of the pairs of networks that `make matrix` measures all of.
# timeout: 300
# on: host
# on-long: uml uml/mixed qemu-6.12/mixed
# packages: tayga unbound
. /mnt/lab/src/tests/e2e/lib/networks

networks_begin
networks_place public4 b
networks_place public6 a
networks_place port-restricted a b
networks_place symmetric a b
networks_place nat64 a
networks_place same-nat a b
networks_end public4-b public6-a port-restricted-{a,b} symmetric-{a,b} nat64-a same-nat-{a,b}

networks_pair public6 public4
networks_pair port-restricted port-restricted
networks_pair symmetric public4
networks_pair port-restricted symmetric
networks_pair symmetric symmetric
networks_pair nat64 port-restricted
networks_pair same-nat same-nat
