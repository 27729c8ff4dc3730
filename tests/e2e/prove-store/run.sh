#!/usr/bin/env bash
# The part has a deployment of its own, with Asterisk, for which bridge.sh asks.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

expect_ok "make prove, short" env SCALE=short PROVE_DIR="$WORK/prove" "$IFE_ROOT/tests/prove/run" \
	store-faults store-faults-nats
unset TESTBED_SUITE
