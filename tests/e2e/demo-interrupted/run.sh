#!/usr/bin/env bash
# A demo waits for another one in its directory. Ctrl-C ends it at any step, and leaves nothing.
NO_VERIFY=1
. "$(dirname "$0")/../lib.sh"

STACK=$WORK/outer
export IFE_DEMO_DIR=$WORK/demo
mkdir -p "$STACK/log"

# demo: as a terminal runs it, where Ctrl-C reaches all of its process group.
demo() { proc_start demo env --default-signal=INT "$IFE_ROOT/scripts/demo.sh"; }
said() { grep -qE "$1" "$STACK/log/demo.log"; }
ctrl_c() { kill -INT -- "-$(proc_pid demo)"; }
running() { ps -e -o args= | grep -F "$IFE_DEMO_DIR/" | grep -vE 'grep|tests/e2e'; }

# interrupted STEP PATTERN: Ctrl-C after this line of the demo.
interrupted() {
	: >"$STACK/log/demo.log"
	demo
	wait_until 90 said "$2" ||
		fail "$1: the demo does not get there: $(tail -n 3 "$STACK/log/demo.log")"
	ctrl_c
	wait_until 5 said '^Stopping all that runs' || fail "$1: it does not say that it stops"
	wait_until 30 proc_gone demo || fail "$1: it goes on"
	expect "$1: what still runs" "" "$(running)"
	expect "$1: what is still mounted" 0 "$(grep -c "$IFE_DEMO_DIR" /proc/mounts)"
}

exec 6>>"$IFE_DEMO_DIR.lock"
flock 6
demo
wait_until 10 said 'another make demo runs in this directory' ||
	fail "it does not wait for the other one"
expect "begun beside the other one" "" "$(running)"
flock -u 6
wait_until 60 said '^Part 1' || fail "it does not begin after the other one"
ctrl_c
wait_until 30 proc_gone demo || fail "it goes on"

interrupted "the gate's calls" '^Part 1'
[ "$(id -u)" != 0 ] || interrupted "the escalation" '^1\. The agent signs'
