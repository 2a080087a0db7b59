# So does a mistake in the syntax.
# module: no
check "it begins" true
if then
