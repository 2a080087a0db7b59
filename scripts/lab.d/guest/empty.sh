# shellcheck shell=bash 
# module: no
# An empty lab, for "scripts/lab shell"
check "a shell in an empty lab" true
