#!/usr/bin/env bash
# The deployment is that of scripts/up.sh, not the case's own.
NO_VERIFY=1
. "$(dirname "$0")/../lib.sh"

# Beside a deployment that a person may have.
export IFE_UP_DIR=$WORK/up IFE_NET=3
EXTRA_CLEANUP='"$IFE_ROOT/scripts/down.sh" >/dev/null 2>&1'
cd "$IFE_ROOT" || exit 1

scripts/up.sh >"$WORK/printed" 2>"$WORK/errors" || { cat "$WORK/printed" "$WORK/errors"; exit 1; }
room_has_guardian() { "$IFE_BIN/ifectl" rooms | contains 'guardian-1'; }
tells_release() { eval "$1" 2>/dev/null | contains 'H.323 released.*guardian-1'; }
no_room() { [ "$("$IFE_BIN/ifectl" rooms --json)" = '[]' ]; }
mapfile -t commands < <(awk '/^Try /{ on = 1; next } /^$/{ on = 0 } on { sub(/^  /, ""); print }' \
	"$WORK/printed")
# Without root there is neither Asterisk nor the bridge.
if [ "$(id -u)" = 0 ]; then wanted=9; else wanted=3; fi
expect "commands to try" "$wanted" "${#commands[@]}"
for command in "${commands[@]}"; do
	# An entry is in the log as soon as its batch is signed: a person who types is slower than that,
	# a script is not.
	case $command in *'witness show'*) wait_until 10 tells_release "$command" ;; esac
	# As a person would type it; the export counts for those that follow.
	eval "$command" >"$WORK/said" 2>&1 </dev/null || fail "$command: exit $?: $(cat "$WORK/said")"
	case $command in
	*call.sh*) grep -q '^200 OK' "$WORK/said" || fail "$command: $(cat "$WORK/said")" ;;
	*escalate*) grep -q '^state  *connected' "$WORK/said" || fail "$command: $(cat "$WORK/said")" ;;
	*hangup*) wait_until 10 no_room || fail "the room outlives its call" ;;
	*show*)
		grep -q 'H.323 released.*guardian-1' "$WORK/said" || fail "$command: $(cat "$WORK/said")"
		;;
	*verify*) grep -q '^verified' "$WORK/said" || fail "$command: $(cat "$WORK/said")" ;;
	esac
done

expect_fails "a second make up" 'already running' scripts/up.sh

# The pages that a reader follows with `make up`, from the first command to the last. A page that
# shows a refusal wants one. Both pages need the bridge.
[ "$(id -u)" = 0 ] || exit 0
SAID=$WORK/said STEPS=0
up=${IFE_UP_DIR#"$IFE_ROOT/"}
make() { expect "the target of make" down "$1" && scripts/down.sh; }
# step PLACE done|refused OUTPUT COMMAND: the command, in this shell, as tests/docs/blocks.py lists
# it.
step() {
	local place=$1 wanted=$2 text=$4
	# The reader's paths and ports are those that `make up` prints.
	text=${text//target\/up/$up} text=${text//\/dev\/shm\/if-escalate.pH6FaX/$STATE_DIR}
	text=${text//5060/$SIP} text=${text//rpc 5062/rpc $RPC}
	[ "$text" != $'make up\n' ] || return 0
	STEPS=$((STEPS + 1))
	printf '%s\n' "${3//target\/up/$up}" >"$WORK/shown"
	case $text in
	'ifectl witness'* | 'ifectl rooms'*) wait_until 20 as_shown "$wanted" "$text" ;;
	*) as_shown "$wanted" "$text" ;;
	esac || fail "$place: $text: $STATUS, wanted $wanted; missing: $(cat \
		"$WORK/missing"); printed: $(cat "$SAID")"
}
as_shown() {
	STATUS='done'
	: >"$WORK/missing"
	eval "$2" >"$WORK/saying" 2>&1 </dev/null || STATUS=refused
	cp "$WORK/saying" "$SAID"
	[ "$STATUS" = "$1" ] && /usr/bin/python3 -B tests/docs/said.py "$WORK/shown" "$SAID" \
		>"$WORK/missing"
}
printed() { sed -n "s/^  $1 *//p" "$WORK/printed"; }
STATE_DIR=$(printed 'state (tmpfs)') SIP=$(printed 'SIP (UDP and TCP)') \
	RPC=$(printed 'JSON-RPC (UDP)')
SIP=${SIP##*:} RPC=${RPC##*:}
for page in SIP-ESCALATE-INTEGRATION tutorial; do
	/usr/bin/python3 -B tests/docs/blocks.py steps "docs/$page.md" >"$WORK/steps-$page"
	. "$WORK/steps-$page"
done
[ "$STEPS" -ge 40 ] || fail "only $STEPS commands of the documentation were run"

expect_ok "make down" scripts/down.sh
expect "what is still mounted" 0 "$(grep -c "$WORK" /proc/mounts)"
expect "what still runs" 0 "$(ps -e -o args= | grep -F "$WORK" | grep -vcE 'grep|tests/e2e')"
