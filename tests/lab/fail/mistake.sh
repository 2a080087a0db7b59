# A mistake in the middle of a scenario fails, with its line.
# module: no
host a
check "it begins" true
link a nowhere
check "it is not reached" true
