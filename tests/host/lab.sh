#!/bin/bash
# The lab must see what is wrong: runs tests/lab/fail/*.sh, which all fail, and looks at what it says.
# tap: yes
cd "$(dirname "$0")/../.." || exit 1
out=$(mktemp)
trap 'rm -f "$out"' EXIT
n=0

# says TEXT REGEX: a line of the output matches
says() {
	n=$((n + 1))
	if grep -qE "$2" "$out"; then
		echo "ok $n - lab: $1"
	else
		echo "not ok $n - lab: $1"
		sed 's/^/# /' "$out"
	fi
}

says_not() {
	n=$((n + 1))
	if grep -qE "$2" "$out"; then
		echo "not ok $n - lab: $1"
		grep -E "$2" "$out" | sed 's/^/# /'
	else
		echo "ok $n - lab: $1"
	fi
}

# says_times TEXT N REGEX: so many lines do
says_times() {
	n=$((n + 1))
	if [ "$(grep -cE "$3" "$out")" = "$2" ]; then
		echo "ok $n - lab: $1"
	else
		echo "not ok $n - lab: $1"
	fi
}

fails=tests/lab/fail
scripts/lab run "$fails"/{nothing,mistake,assigned,unset,syntax,reads,slow,splat,checks,midst,sums,steady,dies,stale,after}.sh >"$out" 2>&1
status=$?
echo "exit status $status" >>"$out"

says "a failed run has exit status 1" '^exit status 1$'
says "a scenario that checks nothing fails" '^not ok [0-9]+ - nothing: checks anything'
says "a mistake fails with its line" '^not ok [0-9]+ - mistake: line 5:'
says "a mistake is explained" "there is no network 'nowhere'"
says "so does one within an assignment" '^not ok [0-9]+ - assigned: line 4:'
says "a variable that is not set fails" '^not ok [0-9]+ - unset: runs to its end'
says "and is named" '#.*nobody_sets_this: unbound variable'
says "a mistake in the syntax fails" '^not ok [0-9]+ - syntax: runs to its end'
says_not "nothing runs after a mistake" 'it is not reached'
says "a scenario has nothing to read, not even the list of those after it" '^ok [0-9]+ - reads: it is given nothing to read'
says "a scenario that takes too long fails" '^not ok [0-9]+ - slow: takes less than 3 s'
says "a complaint of the kernel fails" '^not ok [0-9]+ - splat: the kernel does not complain'
says "and is shown" '#.*WARNING: this is only a test'
for text in false true one same like least most empty status; do
	says "a check that fails ($text)" "^not ok [0-9]+ - checks: $text\$"
done
says "a failed check shows the output" '^# +some output$'
says "and what the programs of the hosts said" '^# +last words, without an end$'
says "a function that fails is a failure" '^not ok [0-9]+ - checks: a failure within a function'
says "the scenario goes on after a check" '^ok [0-9]+ - checks: the scenario goes on'
says "and ends after a requirement" '^not ok [0-9]+ - checks: enough'
says "a check in whose midst bash gives up fails" '^not ok [0-9]+ - midst: a check comes to its end'
says_times "the last one, too" 2 '^not ok [0-9]+ - midst: a check comes to its end'
says "and the scenario goes on" '^ok [0-9]+ - midst: the next one has its own'
says "so does one that does not begin for it" '^not ok [0-9]+ - sums: bash can do its arithmetic'
says "with its line" '#.*sums\.sh: line 5: .*syntax error'
says "an experiment that fails is a failure" '^not ok [0-9]+ - steady: run 1 is right'
says "and not done again without a reason" '^ok [0-9]+ - steady: a failure on a machine that runs is one'
says "nor more than twice for one" '^ok [0-9]+ - steady: three runs are enough'
says "which is told" "^# the machine stood still for [0-9]+ ms, more than 200: 'stopped' begins again .3 of 3.\. Did not hold:"
says "and then it is a failure whatever the reason" '^not ok [0-9]+ - steady: run 3 is right'
says_not "no other one is" '^not ok [0-9]+ - steady: run 2 is right'
says "one that ends the scenario has told what it had to" '^not ok [0-9]+ - steady: it is told before the end'
says "and fails with its line" '^not ok [0-9]+ - steady: line [0-9]+:'
says "a guest that dies fails" '^not ok [0-9]+ - the guest ended in the middle of .*dies'
says "with its last words" 'sysrq triggered crash|sysrq: Trigger a crash'
says "one that stumbles over QEMU is given another guest" '^# the guest stumbled over QEMU in .*stale'
says_times "once" 2 'ok [0-9]+ - stale: it begins'
says "and fails if it does again" '^not ok [0-9]+ - the guest ended in the middle of .*stale'
says "the next scenarios run in another guest" '^ok [0-9]+ - after: life goes on'
if [ -n "${TEST_LONG:-}" ]; then
	# There is nothing wrong but that it has to be switched off, half a minute after its end
	begun=$SECONDS
	scripts/lab run "$fails/stays.sh" >"$out.stays" 2>&1
	echo "stays: status $?, after $(((SECONDS - begun) / 60)) minutes" >>"$out"
	rm -f "$out.stays"
	says "a guest that stays is ended" '^stays: status 0, after [01] minutes'
fi
plan=$(sed -n 's/^1\.\.//p' "$out")
points=$(grep -cE '^(not )?ok ' "$out")
echo "planned $plan, seen $points" >>"$out"
says "the plan counts every point" "planned $points, seen $points"
echo "1..$n"
