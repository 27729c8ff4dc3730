#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../scenes.sh"

# kamailio_waits [KAMAILIO ARG ...]: starts Kamailio anew.
kamailio_waits() {
	proc_stop kamailio
	KAMAILIO_CFG=$CASE_DIR/kamailio.cfg stack_start_kamailio "$@"
}

waiting() { [ "$(rpc ife.status | jq -r .witness_waiting)" = "$1" ]; }

# Kills the writer, or Kamailio, while the scene's calls wait, and starts it again.
killed_meanwhile() {
	local what=$1 player
	export WITNESSD_PID
	WITNESSD_PID=$(proc_pid witnessd)
	play "killed-$what" &
	player=$!
	wait_until 20 waiting 3 || fail "no calls wait for $what to be killed"
	if [ "$what" = witnessd ]; then
		proc_kill witnessd
		stack_start_witnessd
	else
		proc_kill kamailio
		kill -CONT "$WITNESSD_PID"
		KAMAILIO_CFG=$CASE_DIR/kamailio.cfg stack_start_kamailio
	fi
	wait "$player" || fail "calls while $what was killed"
	expect_alive
}

slow_disk() {
	strace -f -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_enter=100000 \
		-p "$(proc_pid witnessd)" &
	STRACE=$!
	EXTRA_CLEANUP="kill $STRACE 2>/dev/null"
	traced() { ! grep -q '^TracerPid:[[:space:]]*0$' "/proc/$(proc_pid witnessd)/status"; }
	wait_until 10 traced || fail "strace does not follow the writer"
}

KAMAILIO_CFG=$CASE_DIR/kamailio.cfg NO_EXPERT=1 start
export WITNESSD_PID STATE
WITNESSD_PID=$(proc_pid witnessd)
play enforce
expect_alive

killed_meanwhile witnessd
killed_meanwhile kamailio
WITNESSD_PID=$(proc_pid witnessd)

kamailio_waits -A WAIT_CALLS=2
play full
kamailio_waits -A WAIT_MS=300
play late
expect_alive
kamailio_waits -A WAIT_MS=300 -A 'WITNESS="best_effort"'
play best-effort
expect_alive
kamailio_waits -A WAIT_WORKERS=0
play blocking
# What shadow mode lets pass has its target: late, after a stall, without a place, in the worker.
kamailio_waits -A 'MODE="shadow"' -A WAIT_MS=300
play shadow-late
kamailio_waits -A 'MODE="shadow"' -A WAIT_CALLS=1
play shadow-full
kamailio_waits -A 'MODE="shadow"' -A WAIT_MS=300 -A WAIT_WORKERS=0
play shadow-blocking
expect_alive
kamailio_waits
slow_disk
play slow
expect_alive
kill "$STRACE"
expect_rpc_eventually 0 ife.status .witness_waiting
