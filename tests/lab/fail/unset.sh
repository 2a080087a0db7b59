# A variable that is not set ends the scenario's shell at once.
# module: no
check "it begins" true
echo "$nobody_sets_this"
check "it is not reached" true
