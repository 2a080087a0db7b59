# A mistake within an assignment fails as well.
# module: no
check "it begins" true
x=$(cat /nowhere)
check "it is not reached" true
