# Programs in the background: start, stop, kill, start again.
# module: no
# on: host
# on-long: qemu-6.12

host a b
bg a sleeper sleep 1000
check "a program runs in the background" running a sleeper
check_not "on its host only" running b sleeper
stop a sleeper
check_not "it can be stopped" running a sleeper
again a sleeper
check "and be started again" running a sleeper
kill9 a sleeper
check_not "it can be killed" running a sleeper

bg a talker sh -c 'echo said; sleep 0.5'
wait_for a talker
is "its output is kept" "$(logs a talker)" said
at_least "time can be measured" "$(took sleep 0.3)" 300
check_not "waiting for a condition ends" eventually 1 false
tries=0
second() {
	tries=$((tries + 1))
	[ $tries = 2 ] || { sleep 1.1 && false; }
}
check "but not with a try that began before its time was over" eventually 1 second
check "on passes arguments untouched" on a test "a  b" = "a  b"
exits "on passes the exit status" 7 on a sh -c 'exit 7'

bg_ready a bash "^ready$" bash -c 'n=0; trap "echo asked; exit 0" TERM; trap "echo signal \$((++n))" USR1; echo ready; while :; do sleep 0.1; done'
is "a signal is answered" "$(answer_of a bash USR1 '^signal')" "signal 1"
is "and again" "$(answer_of a bash USR1 '^signal')" "signal 2"
stop a bash
is "stopping is by SIGTERM" "$(logs a bash | tail -n 1)" asked

is "a count of nothing is no failure" "$(grep -c nothing /etc/passwd)" 0
