#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../scenes.sh"

NO_EXPERT=1 start
processes() { rpc core.psx | jq -r '.[].PID' | sort | xargs; }
before=$(processes)
play
expect "processes of Kamailio" "$before" "$(processes)"
expect_alive
