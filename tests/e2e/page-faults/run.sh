#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../page.sh"

page_setup
"$IFE_ROOT/tests/browser/evidence.py" "$STACK/evidence"
FAULTY=$(faulty_bridge) || die "faulty_bridge does not build"

# fault NAME FAULT FILE...: one browser against one bridge.
fault() {
	local name=$1 fault=$2 log=$STACK/log/faulty-$1.log
	shift 2
	"$FAULTY" 127.0.0.1:0 127.0.0.1:0 "$fault" "${@/#/$STACK/evidence/}" 2>"$log" &
	local pid=$!
	wait_until 15 grep -q '^http' "$log"
	browser "$name" "$CASE_DIR/case.mjs" "$name" "$(grep -m 1 '^http' "$log")" "$STACK/evidence" "$log"
	kill "$pid" 2>/dev/null
	# It ends by our signal, and that is no failure.
	wait "$pid" 2>/dev/null || true
}

fault none none thermal-camera.png inspection-report.pdf notes.md valve.svg alarm.wav
fault no-ed25519 none notes.md
fault corrupt-once corrupt-once thermal-camera.png notes.md
fault corrupt corrupt thermal-camera.png notes.md
fault wrong-signer wrong-signer notes.md
fault other-binding other-binding notes.md
fault replay replay notes.md
