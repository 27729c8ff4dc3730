#!/usr/bin/env bash
# The deployment is that of scripts/up.sh, not the case's own.
NO_VERIFY=1
. "$(dirname "$0")/../lib.sh"

# Beside a deployment that a person may have.
export IFE_UP_DIR=$WORK/up IFE_NET=3
EXTRA_CLEANUP='"$IFE_ROOT/scripts/down.sh" >/dev/null 2>&1'
cd "$IFE_ROOT" || exit 1

scripts/up.sh >"$WORK/printed" 2>"$WORK/errors" || { cat "$WORK/printed" "$WORK/errors"; exit 1; }
room_has_guardian() { "$IFE_BIN/ifectl" rooms | grep -q 'guardian-1'; }
tells_release() { eval "$1" 2>/dev/null | grep -q 'H323_RELEASED guardian-1'; }
no_room() { [ "$("$IFE_BIN/ifectl" rooms --json)" = '[]' ]; }
mapfile -t commands < <(awk '/^Try /{ on = 1; next } /^$/{ on = 0 } on { sub(/^  /, ""); print }' "$WORK/printed")
# Without root there is neither Asterisk nor the bridge.
if [ "$(id -u)" = 0 ]; then wanted=9; else wanted=3; fi
expect "commands to try" "$wanted" "${#commands[@]}"
for command in "${commands[@]}"; do
	# An entry is in the log as soon as its batch is signed: a person who types is slower than that, a script is not.
	case $command in *'witness show'*) wait_until 10 tells_release "$command" ;; esac
	# As a person would type it; the export counts for those that follow.
	eval "$command" >"$WORK/said" 2>&1 </dev/null || fail "$command: exit $?: $(cat "$WORK/said")"
	case $command in
	*call.sh*) grep -q '^200 OK' "$WORK/said" || fail "$command: $(cat "$WORK/said")" ;;
	*escalate*) grep -q '^state  *connected' "$WORK/said" || fail "$command: $(cat "$WORK/said")" ;;
	*hangup*) wait_until 10 no_room || fail "the room outlives its call" ;;
	*show*) grep -q 'H323_RELEASED guardian-1' "$WORK/said" || fail "$command: $(cat "$WORK/said")" ;;
	*verify*) grep -q '^verified' "$WORK/said" || fail "$command: $(cat "$WORK/said")" ;;
	esac
done

# The tutorial's part about the bridge, as it is written there; where it shows a no, a no is wanted.
export PATH=$IFE_BIN:$PATH IFE_WITNESS_LOG=$IFE_UP_DIR/witness IFE_WITNESS_VKEY=$IFE_UP_DIR/witness.vkey
tutorial() { sed -n '/^## 11/,/^## 12/p' docs/tutorial.md; }
commands=()
[ "$(id -u)" != 0 ] || mapfile -t commands < <(tutorial | sed -n 's/^    \$ //p; s/^    \(export .*\)/\1/p' | sed "s|target/up|${IFE_UP_DIR#"$IFE_ROOT/"}|g")
[ "$(id -u)" != 0 ] || expect "commands of the tutorial" 8 "${#commands[@]}"
for command in "${commands[@]}"; do
	wanted=0 rc=0
	case $command in *'hazard ethics'*) wanted=1 ;; esac
	case $command in *'witness show'*) wait_until 10 tells_release "$command" ;; esac
	eval "$command" >"$WORK/said" 2>&1 </dev/null || rc=$?
	expect "exit code of $command" "$wanted" "$rc"
	case $command in
	*--print*) expect "what the tutorial shows" 1 "$(tutorial | grep -cF "$(cat "$WORK/said")")" ;;
	*--expert*) expect "what the tutorial shows" "$(tutorial | grep -A 3 'not done' | sed 's/^    //')" "$(cat "$WORK/said")" ;;
	*rooms*) grep -qE 'guardian +guardian-1' "$WORK/said" || wait_until 10 room_has_guardian || fail "no guardian: $(cat "$WORK/said")" ;;
	esac
done

expect_fails "a second make up" 'already running' scripts/up.sh
expect_ok "make down" scripts/down.sh
expect "what is still mounted" 0 "$(grep -c "$WORK" /proc/mounts)"
expect "what still runs" 0 "$(ps -e -o args= | grep -F "$WORK" | grep -vcE 'grep|tests/e2e')"
