# A scenario that reads what it is not given: it finds nothing, and takes nothing from those after it.
# module: no
check "it is given nothing to read" test -z "$(cat)"
