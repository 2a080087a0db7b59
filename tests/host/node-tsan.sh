#!/bin/bash
# node.sh with ntmd under the thread sanitizer.
# tap: yes
# long: yes
SANITIZER=tsan exec bash "$(dirname "$(readlink -f "$0")")/node.sh"
