#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../scenes.sh"

NO_EXPERT=1 start -A SILENCE_TIMEOUT_MS=1500
play
expect_alive
