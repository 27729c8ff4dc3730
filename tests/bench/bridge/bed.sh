#!/usr/bin/env bash
# The bench's deployment: that of the end-to-end cases, held until standard input is closed or
# says what to do.
#   bed.sh BACKEND
# Commands, one a line, each answered by a line "done": phone SCENARIO [SIPP ARG ...], backend
# BACKEND
. "$(dirname "$0")/../../e2e/lib.sh"
# Asterisk logs no step of the dialplan, as in production.
export LOG_LEVELS=notice,warning,error
# Read by bridge.sh.
# shellcheck disable=SC2034
BACKEND=$1 CALLS_MAX=200 RING_S=120 NO_EXPERT=1
. "$(dirname "$0")/../../e2e/bridge.sh"

bench_phone() {
	proc_stop safety 2>/dev/null
	rm -f "$STACK/captures/safety.msg"
	stack_expert safety "$EXPERT_PORT" "$@" -l 1000
}

bench_backend() {
	proc_stop bridge
	BACKEND=$1 MCU_ALIAS=guardian-silent bridge_config >"$STACK/bridge.yaml"
	bridge_start
}

start_with_bridge
jq -nc --arg stack "$STACK" --arg expert "$SAFETY" --arg suite "$TESTBED_SUITE" \
	'{stack: $stack, expert: $expert, suite: $suite}'
while read -r command args; do
	# shellcheck disable=SC2086
	case $command in
	phone) bench_phone $args >&2 ;;
	backend) bench_backend $args >&2 ;;
	*) die "no command $command" ;;
	esac
	echo "done"
done
