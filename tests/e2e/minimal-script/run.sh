#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../scenes.sh"

KAMAILIO_CFG=$CASE_DIR/kamailio.cfg NO_EXPERT=1 start
play
expect_alive
