#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../page.sh"

page_setup
command -v "${FIREFOX:-firefox-esr}" >/dev/null ||
	die "Firefox is missing: scripts/setup.sh installs it"
"$IFE_ROOT/tests/browser/evidence.py" "$STACK/evidence"
FAULTY=$(faulty_bridge) || die "faulty_bridge does not build"
# Firefox offers the address of its default route alone.
ip route show default | contains . || ip route add default via 192.0.2.2 ||
	die "no default route can be made"
HOST_IP=$(ip -4 -o addr show up scope global | awk '{sub("/.*", "", $4); print $4; exit}')

# way NAME ADDRESS: one browser against one bridge whose evidence port is at ADDRESS.
way() {
	local name=$1 log=$STACK/log/bridge-$1.log
	"$FAULTY" 127.0.0.1:0 "$2:0" none "$STACK/evidence/notes.md" 2>"$log" &
	local pid=$!
	wait_until 15 grep -q '^http' "$log"
	browser "$name" "$CASE_DIR/case.mjs" "$name" "$(grep -m 1 '^http' "$log")"
	kill "$pid" 2>/dev/null
	# It ends by our signal, and that is no failure.
	wait "$pid" 2>/dev/null || true
}

way firefox-loopback 127.0.0.1
way firefox-address "$HOST_IP"
way chromium-blocked "$HOST_IP"
