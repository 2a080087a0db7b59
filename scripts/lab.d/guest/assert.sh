# shellcheck shell=bash
# Assertions: each prints one TAP point and returns 0, so that a scenario goes on after a failed one.

# check TEXT CMD...: CMD succeeds
check() {
	local text=$1
	shift
	lab_try "$@"
	lab_verdict "$LAB_TRIED" "$text" "$*"
}

# check_not TEXT CMD...: CMD fails
check_not() {
	local text=$1
	shift
	lab_try "$@"
	lab_verdict "$((LAB_TRIED == 0))" "$text" "not: $*"
}

# require TEXT CMD...: as check, but if it fails the scenario ends
require() {
	check "$@"
	[ "$LAB_TRIED" = 0 ] || exit 1
}

# exits TEXT STATUS CMD...: CMD ends with this exit status
exits() {
	local text=$1 want=$2
	shift 2
	lab_try "$@"
	lab_verdict "$((LAB_TRIED != want))" "$text" "$* (exit status $LAB_TRIED, wanted $want)"
}

LAB_TRIED=0

# Run a command with its output kept; its exit status is LAB_TRIED afterwards, and '?' before. So commands given to it have no checks in them.
lab_try() {
	lab_tried
	LAB_TRIED='?' LAB_TRYING=$*
	# In a condition set -e and the ERR trap are off, as they must be here
	if "$@" >"$LAB_STATE/output" 2>&1; then LAB_TRIED=0; else LAB_TRIED=$?; fi
}

# What was tried last came to its end. With arithmetic that it cannot do bash leaves all functions, and goes on behind the command of the
# scenario that called them: with the next check, perhaps, and without any trap.
lab_tried() {
	[ "$LAB_TRIED" = '?' ] || return 0
	LAB_TRIED=0
	tap_point "not ok" "$LAB_NAME: a check comes to its end"
	cat "$LAB_STATE/output"
	{
		echo "$LAB_TRYING"
		cat "$LAB_STATE/output"
	} | tap_diag
}

# lab_verdict STATUS TEXT COMMAND
lab_verdict() {
	cat "$LAB_STATE/output" 2>/dev/null || true
	if [ "$1" = 0 ]; then
		tap_point ok "$LAB_NAME: $2"
	else
		tap_point "not ok" "$LAB_NAME: $2"
		{
			echo "at line $(lab_line): $3"
			tail -n 60 "$LAB_STATE/output"
		} | tap_diag
	fi
}

# is TEXT GOT WANT
is() {
	lab_compare "$1" "got '$2', wanted '$3'" test "$2" = "$3"
}

# isnt TEXT GOT UNWANTED
isnt() {
	lab_compare "$1" "got '$2', which was not wanted" test "$2" != "$3"
}

# like TEXT GOT REGEX (extended, anywhere in GOT)
like() {
	lab_compare "$1" "got '$2', wanted a match of '$3'" lab_matches "$2" "$3"
}

unlike() {
	lab_compare "$1" "got '$2', wanted no match of '$3'" lab_differs "$2" "$3"
}

# at_least TEXT GOT MIN, at_most TEXT GOT MAX: numbers, with a fraction or not
at_least() {
	lab_compare "$1" "got $2, wanted at least $3" lab_not_less "$2" "$3"
}

at_most() {
	lab_compare "$1" "got $2, wanted at most $3" lab_not_less "$3" "$2"
}

lab_matches() {
	[[ $1 =~ $2 ]]
}

lab_differs() {
	! [[ $1 =~ $2 ]]
}

lab_not_less() {
	[ -n "$1" ] && [ -n "$2" ] && awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 >= b + 0) }'
}

lab_compare() {
	local text=$1 story=$2
	shift 2
	lab_try "$@"
	: >"$LAB_STATE/output"
	lab_verdict "$LAB_TRIED" "$text" "$story"
}

# say TEXT: a line of its own in the results
say() {
	tap_line "# $*"
}

# show CMD...: run it, its output goes into the results; its exit status is CMD's
show() {
	local rc=0
	"$@" >"$LAB_STATE/shown" 2>&1 || rc=$?
	tap_diag <"$LAB_STATE/shown"
	return $rc
}
