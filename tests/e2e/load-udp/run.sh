#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# One address calls more often than the ban table allows.
PIKE_DENSITY=1000000
start
load udp
if [ "$(id -u)" = 0 ]; then
	expect "receive buffers, as the kernel counts" rb4194304 \
		"$(ss -lunm "sport = :$SIP_PORT" | grep -oE 'rb[0-9]+' | sort -u)"
fi
