#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start
signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
long=$(head -c 9000 /dev/zero | tr '\0' a)

# refused NAME EXPECTED SED...: one INVITE with edited headers.
refused() {
	local name=$1 wanted=$2
	shift 2
	raw_request "$STACK/$name.sip" INVITE "$name@caller.example" "$signed" "$@"
	expect "$name" "$wanted" "$(final_code "$STACK/$name.sip" --wait 2)"
}
for header in X-IF-Trace-ID X-IF-Hazard X-IF-Signature; do
	refused "doubled-$header" 400 "s/^$header: .*/&\r\n&/"
	refused "doubled-other-case-$header" 400 "s/^$header: \(.*\)/&\r\n${header,,} : \1/"
	refused "folded-$header" 400 "s/^$header: \(....\)\(.*\)/$header: \1\r\n \2/"
	refused "folded-first-$header" 400 "s/^$header: /$header:\r\n /"
	refused "oversized-$header" 400 "s/^$header: .*/$header: $long/"
	refused "not-utf8-$header" 400 "s/^$header: .*/$header: caf\xe9\xff\xfe/"
	refused "bare-cr-$header" 400 "s/^$header: \(....\)\(.*\)/$header: \1\r\2/"
	refused "nul-$header" 400 "s/^$header: \(....\)\(.*\)/$header: \1\x00\2/"
	refused "empty-$header" 400 "s/^$header: .*/$header:/"
	refused "blank-$header" 400 "s/^$header: .*/$header:   \t /"
done
# A bare LF ends a header line for most parsers: what follows is then another header, and the cut value is malformed.
for header in X-IF-Trace-ID X-IF-Hazard X-IF-Signature; do
	refused "bare-lf-$header" 400 "s/^$header: \(..\)\(.*\)/$header: \1\nforged ERROR: \2/"
done

# The log is one JSON object per entry and Kamailio's lines are its own.
forged=$(grep -c '^forged' "$STACK/log/kamailio.log")
expect "forged lines in Kamailio's log" 0 "$forged"
wait_log 20 '.event == "REJECTED"'
expect "every refusal is at the gate of headers" headers "$(log_entries | jq -r 'select(.event == "REJECTED") | .gate' | sort -u)"
expect "INVITEs at the expert" 0 "$(requests_at safety)"

# And the deployment still works.
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "a good call passes" stack_calls good uac "$STACK/calls.csv"
expect_alive
