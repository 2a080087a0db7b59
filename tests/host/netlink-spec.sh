#!/bin/sh
# The netlink family: its specification, uapi.h and the module's policy agree.
exec python3 "$(dirname "$0")/netlink_spec.py"
