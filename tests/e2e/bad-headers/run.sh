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
# A bare LF ends a header line for Kamailio's parser: what follows is another header, and the value
# is cut. Two letters are no trace id and no signature; they could be a hazard, but none that is
# known.
lf='s/^@H@: \(..\)\(.*\)/@H@: \1\nForged-Line: ERROR \2/'
refused bare-lf-trace 400 "${lf//@H@/X-IF-Trace-ID}"
refused bare-lf-signature 400 "${lf//@H@/X-IF-Signature}"
refused bare-lf-hazard 403 "${lf//@H@/X-IF-Hazard}"

# The log is one JSON object per entry and Kamailio's lines are its own.
expect "lines of the sender's in Kamailio's log" 0 \
	"$(grep -ciE '^(forged|x-if|via:|v=0)' "$STACK/log/kamailio.log")"
expect_log 29 '.event == "REJECTED" and .code == 400'
# Over the bound of every header field, whose value no gate reads.
expect_log 3 '.event == "REJECTED" and .detail == "400 Header Field Too Long"'
expect "every refusal is at the gate of headers" headers \
	"$(log_entries | jq -r 'select(.event == "REJECTED" and .code == 400) | .gate' | sort -u)"
expect "INVITEs at the expert" 0 "$(requests_at safety)"

# What cannot be read as SIP at all cannot be answered in general; it must do no harm.
for header in X-IF-Trace-ID X-IF-Hazard X-IF-Signature; do
	raw_request "$STACK/unreadable.sip" INVITE "unreadable-$header@caller.example" "$signed" \
		"s/^$header: \(..\)\(.*\)/$header: \1\nno header: \2/"
	case $(final_code "$STACK/unreadable.sip" --wait 1) in
	400 | none) ;;
	*) fail "an unreadable request was not refused" ;;
esac
done

# And the deployment still works.
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "a good call passes" stack_calls good uac "$STACK/calls.csv"
expect_alive
