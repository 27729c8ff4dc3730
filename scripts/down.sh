#!/usr/bin/env bash
# Stops what `make up` started, and nothing else.
set -uo pipefail
. "$(dirname "$0")/lib/stack.sh"

if stack_load "$IFE_TARGET/up"; then
	stack_close
	say "IF.ESCALATE is down; its files stay in target/up."
else
	note "nothing to stop"
fi
