#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../scenes.sh"

NO_EXPERT=1 start
before=$(rpc core.uptime >/dev/null && rpc stats.fetch core:rcv_requests |
	jq -r '.["core.rcv_requests"] | tonumber')
play
after=$(rpc stats.fetch core:rcv_requests | jq -r '.["core.rcv_requests"] | tonumber')
[ $((after - before)) -lt 60 ] || fail "$((after - before)) requests were received: some went round"
expect_alive
