# Checks that fail.
# module: no
host a
bg a talker sh -c 'printf "last words, without an end"'
check "false" false
check_not "true" true
is "one" 2 1
isnt "same" 1 1
like "like" abc x
at_least "least" 1.5 2
at_most "most" 3 2.5
at_least "empty" "" 0
exits "status" 3 sh -c 'exit 4'
check "output is shown" sh -c 'echo some output; exit 1'
check "a failure within a function" failing
failing() {
	false
	true
}
check "the last command of a function decides" failing
check "the scenario goes on" true
require "enough" false
check "it is not reached" true
