#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# One address calls more often than the ban table allows.
PIKE_DENSITY=1000000
EXPERT_TRANSPORT=";transport=tcp" EXPERT_ARGS="-t t1" start
load tcp -t t1
