#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start
load udp
