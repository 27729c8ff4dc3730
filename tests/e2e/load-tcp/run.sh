#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

EXPERT_TRANSPORT=";transport=tcp" EXPERT_ARGS="-t t1" start
load tcp -t t1
