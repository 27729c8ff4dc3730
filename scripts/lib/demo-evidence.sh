# The demo's evidence step: Chromium opens the link of the call as the expert's browser. Sourced by
# demo-stack.sh.
# shellcheck shell=bash

. "$IFE_ROOT/scripts/lib/page-network.sh"

demo_evidence() {
	local shots=$STACK/screenshots link
	step "The INVITE's Call-Info has a link for the expert's browser: files with signed hashes:"
	link=$(sed -n 's/^Call-Info: <\(.*\)>;purpose=info.*/\1/p' "$STACK/captures/invite")
	[ -n "$link" ] || {
		say "    the INVITE has no Call-Info"
		return 1
	}
	page_network
	timeout --foreground -k 5 120 python3 "$IFE_ROOT/scripts/lib/demo-evidence.py" "$link" \
		"$STACK/captures/receipt.json" "$shots" >"$STACK/captures/page" 2>"$STACK/log/page.log" ||
		tail -n 5 "$STACK/log/page.log"
	want "the verified files" ' verified$' <"$STACK/captures/page"
	grep -q '^receipt .*checked in the page' "$STACK/captures/page" ||
		wrong "the receipt is not proved"
	say "    pictures: $(cd "$shots" && echo evidence-*.png), in ${shots#"$IFE_ROOT"/}"
}
