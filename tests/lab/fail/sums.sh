# The same among what a check is given: the check does not begin.
# module: no
nothing() { :; }
check "one that is well" true
at_least "one that does not begin" "$(($(nothing) - $(nothing)))" 1
true
