#!/usr/bin/env bash
# Stops the deployment of `make up`.
set -uo pipefail
. "$(dirname "$0")/lib/demo-stack.sh"

UP=${IFE_UP_DIR:-$IFE_TARGET/up}

if stack_load "$UP"; then
	demo_close
	say "IF.ESCALATE is down; its files stay in ${UP#"$IFE_ROOT/"}."
else
	note "nothing to stop"
fi
