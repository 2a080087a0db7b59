# Experiments that begin again if the machine stood still in them, and those that do not.
# module: no
# on: host
# on-long: uml qemu-6.12

host a

# stopped RUNS: an experiment that fails in as many runs, with a machine that stands still in each run
stopped() {
	runs=$((runs + 1))
	stand_still
	check "run $runs is right" test $runs -gt "$1"
}
stand_still() {
	kill -s STOP "$(<"$LAB_STATE/pulse.pid")"
	sleep 0.7
	kill -s CONT "$(<"$LAB_STATE/pulse.pid")"
}

runs=0
steadily 350 stopped 1
is "a run in which the machine stood still, and a check failed, is followed by another" $runs 2
runs=0
steadily 350 stopped 2
is "and by one more" $runs 3
runs=0
steadily 350 stopped 0
is "what held is not done again, whatever the machine did" $runs 1
check_not "what did not hold in a run that was followed by another is no result" grep '^not ok' "$LAB_OUT/tap"
like "but it is told" "$(<"$LAB_OUT/tap")" "# the machine stood still for [0-9]+ ms, more than 350: 'stopped 1' begins again \(2 of 3\)\. Did not hold:
#   $LAB_NAME: run 1 is right"

bg a twice sh -c 'echo first'
wait_for a twice
bg_anew a twice sh -c 'echo second'
wait_for a twice
is "a log of its own" "$(logs a twice)" second
is "and the one before is kept" "$(logs a twice.1)" first
