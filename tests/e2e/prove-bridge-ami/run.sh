#!/usr/bin/env bash
# Each part makes namespaces of its own, for which netns.sh asks for root.
. "$(dirname "$0")/../lib.sh"
. "$IFE_ROOT/tests/e2e/netns.sh"

expect_ok "make prove, short" env SCALE=short PROVE_DIR="$WORK/prove" "$IFE_ROOT/tests/prove/run" \
	bridge-ami
