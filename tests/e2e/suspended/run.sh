#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../scenes.sh"

KAMAILIO_CFG=$CASE_DIR/kamailio.cfg NO_EXPERT=1 start -A 'MODE="enforce"'
play enforce
expect_alive
proc_stop kamailio
KAMAILIO_CFG=$CASE_DIR/kamailio.cfg stack_start_kamailio -A 'MODE="shadow"'
play shadow
expect_alive
