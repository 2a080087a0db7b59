# All pairs of networks, for scripts/matrix.
# timeout: 1500
# packages: tayga unbound
. /mnt/lab/src/tests/e2e/lib/networks

KINDS=(public4 public6 dual full-cone address-restricted port-restricted symmetric double-nat nat64)
networks_begin
for kind in "${KINDS[@]}" same-nat same-nat-hairpin; do
	networks_place "$kind" a b
	NODES+=("$kind-a" "$kind-b")
done
networks_end "${NODES[@]}"

for ((i = 0; i < ${#KINDS[@]}; i++)); do
	for ((j = i; j < ${#KINDS[@]}; j++)); do
		networks_pair "${KINDS[i]}" "${KINDS[j]}"
	done
done
networks_pair same-nat same-nat
networks_pair same-nat-hairpin same-nat-hairpin
