# A check in whose midst bash gives up, as it does with arithmetic that is none: the shell goes on behind it, with no word of it.
# module: no
nothing() { :; }
more() { [ "$(($(nothing) - $(nothing)))" -ge 1 ]; }
check "without a verdict" eventually 1 more
check "the next one has its own" true
check "nor has the last" eventually 1 more
true
