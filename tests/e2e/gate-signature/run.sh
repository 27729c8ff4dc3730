#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

KEYS=strict-2026a
registry_edit() {
	sed "/kid: council-2026a/a\\
      - {kid: strict-2026a, public_key: \"${PUBLIC[strict-2026a]}\", covers: [base, sdp]}"
}
start
signed_csv "$STACK/absent.csv" 428/signature council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "without a signature" stack_calls absent uac-unsigned "$STACK/absent.csv"
expect_calls absent "$STACK/absent.csv"

csv=$STACK/calls.csv
# An unknown key, and a key that is known but another's.
signed_csv "$csv" 437/signature stranger "$COUNCIL" "$SAFETY" safety
signed_csv "$csv" 437/signature safety-2026a "$COUNCIL" "$SAFETY" safety
# Signed for another callee, for another caller, with another trace id, and with another time.
stack_sign council-2026a "$COUNCIL" "$ETHICS" safety |
	csv_lines "$COUNCIL" "$SAFETY" 438/signature >>"$csv"
stack_sign council-2026a "deputy@council.example" "$SAFETY" safety |
	csv_lines "$COUNCIL" "$SAFETY" 438/signature >>"$csv"
stack_sign council-2026a "$COUNCIL" "$SAFETY" safety | jq -c '.trace_id += "x"' |
	csv_lines "$COUNCIL" "$SAFETY" 438/signature >>"$csv"
stack_sign council-2026a "$COUNCIL" "$SAFETY" safety |
	jq -c '.signature |= sub("iat=(?<n>[0-9]+)"; "iat=\(.n | tonumber - 1)")' |
	csv_lines "$COUNCIL" "$SAFETY" 438/signature >>"$csv"
# The registry asks this signer to cover the body; the first call does not.
signed_csv "$csv" 438/signature strict-2026a "$COUNCIL" "$SAFETY" safety
sipp_body >"$STACK/offer.sdp"
signed_csv "$csv" 200 strict-2026a "$COUNCIL" "$SAFETY" safety --cover base,sdp \
	--body "$STACK/offer.sdp"
expect_ok "calls placed" stack_calls signature uac "$csv"
expect_calls signature "$csv"

# A body other than the signed one, and a Call-ID that is signed.
printf 'v=0\r\n' >"$STACK/other.sdp"
csv=$STACK/covered.csv
signed_csv "$csv" 438/signature strict-2026a "$COUNCIL" "$SAFETY" safety --cover base,sdp \
	--body "$STACK/other.sdp"
signed_csv "$csv" 200 strict-2026a "$COUNCIL" "$SAFETY" safety --cover base,cid,sdp \
	--body "$STACK/offer.sdp" --call-id 2.covered@caller.example
signed_csv "$csv" 438/signature strict-2026a "$COUNCIL" "$SAFETY" safety --cover base,cid,sdp \
	--body "$STACK/offer.sdp" --call-id 2.covered@caller.example
expect_ok "covered parts" stack_calls covered uac "$csv"
expect_calls covered "$csv"
expect_alive
