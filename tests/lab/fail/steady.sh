# Experiments that fail, for whatever reason.
# module: no
host a
runs=0
wrong() {
	runs=$((runs + 1))
	check "run $runs is right" false
}
steadily 10000 wrong
is "a failure on a machine that runs is one" $runs 1

# stopped: with a machine that stands still in each run
stopped() {
	kill -s STOP "$(<"$LAB_STATE/pulse.pid")"
	sleep 0.5
	kill -s CONT "$(<"$LAB_STATE/pulse.pid")"
	wrong
}
runs=0
steadily 200 stopped
is "three runs are enough" $runs 3

ends() {
	check "it is told before the end" false
	false
}
steadily 200 ends
check "it is not reached" true
