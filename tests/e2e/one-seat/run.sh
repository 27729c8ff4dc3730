#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../scenes.sh"

QUOTA='{per_minute: 1000, concurrent: 1, max_call_s: 3600}' NO_EXPERT=1 start
play
expect_alive
