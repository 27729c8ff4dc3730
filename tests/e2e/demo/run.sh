#!/usr/bin/env bash
# The deployment is that of scripts/demo.sh, not the case's own.
NO_VERIFY=1
. "$(dirname "$0")/../lib.sh"

export IFE_DEMO_DIR=$WORK/demo IFE_NET=4
"$IFE_ROOT/scripts/demo.sh" >"$WORK/printed" 2>&1
expect "exit code" 0 $?
[ "$FAILURES" = 0 ] || {
	grep -B 3 -E "WRONG|<- announced|^error" "$WORK/printed"
	cat "$WORK/printed"
}
lines=('signed escalation +approved +- +200 OK' 'over quota +rejected +quota +503'
	'^Log verified: [0-9]+ entries, root ')
if [ "$(id -u)" = 0 ]; then
	lines+=('connected +confbridge:council:' '^ +X-IF-Witness-Hash: sha256:' 'council +2 of '
		'guardian +guardian-1' 'setup' 'connect' 'releaseComplete' 'hung up'
		'H.323 released .*guardian guardian-1')
else
	lines+=('^Part 2, .* is skipped: ')
fi
for line in "${lines[@]}"; do
	grep -qE "$line" "$WORK/printed" || fail "the demo does not say /$line/"
done
# The README shows the output of the first part, but for the seconds.
while read -r line; do
	grep -qF "$line" "$WORK/printed" || fail "the README shows, and the demo does not say: $line"
done < <(sed -n '/^  call  *verdict/,/^```/{ s/ *[0-9]*$//; s/^  //; /^```/d; p }' \
	"$IFE_ROOT/README.md")
awk '/^Part /{ if (n > 60) print part; n = 0; part = $0 } { n++ } END { if (n > 60) print part }' \
	"$WORK/printed" >"$WORK/long"
expect "parts of more than 60 lines" "" "$(cat "$WORK/long")"
expect_ok "its log, verified again" "$IFE_BIN/ifectl" witness verify --log "$IFE_DEMO_DIR/witness" \
	--vkey "$IFE_DEMO_DIR/witness.vkey"
expect "what is still mounted" 0 "$(grep -c "$WORK" /proc/mounts)"
expect "what still runs" 0 "$(ps -e -o args= | grep -F "$WORK" | grep -vcE 'grep|tests/e2e')"
