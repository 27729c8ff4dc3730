#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../scenes.sh"

NO_EXPERT=1 start
play
expect_alive
