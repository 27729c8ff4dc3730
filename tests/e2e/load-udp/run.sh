#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# One address calls more often than the ban table allows.
PIKE_DENSITY=1000000
start
load udp
