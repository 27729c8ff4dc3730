#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"
. "$(dirname "$0")/../page.sh"

page_setup
printf 'a report\n' >"$STACK/evidence/report.txt"
start_with_evidence
export IFE_BRIDGE="unix:$STACK/bridge.sock" IFE_AGENT=if://agent/guard \
	IFE_AGENT_KEY="$STACK/keys/guard-2026a.key"

# shellcheck disable=SC2016
reason='Valve 1, "north": opens; $(reboot) ${EXTEN} \n <b>itself</b> é中'
question='May valve 1 stay <i>open</i>?'
# field NAME N: the value of that header field of the Nth INVITE at the expert.
field() {
	awk -v name="$1: " -v nth="$2" '/^INVITE / { n++; inside = 1 } /^\r?$/ { inside = 0 }
		inside && n == nth && index($0, name) == 1 { sub(/\r$/, ""); print substr($0, length(name) + 1) }' "$STACK/captures/safety.msg"
}

answer=$("$IFE_BIN/ifectl" escalate --json --wait --hazard safety --trace-id trace-reason-1 \
	--evidence "$STACK/evidence/report.txt" \
	--reason "$reason" --question "$question" --option yes --option 'no; not now')
call=$(jq -r .call_id <<<"$answer")
expect "state" connected "$(jq -r .sip_call_state <<<"$answer")"
expect "display name" '"safety: Valve 1, \"north\": opens; $(reboot) ${EXTEN} \\n <b>it..."' \
	"$(field From 1 | grep -aoE '^".*"')"
expect "Subject" "$reason" "$(field Subject 1)"
quoted='Valve 1, \"north\": opens; $(reboot) ${EXTEN} \\n <b>itself</b> é中'
link=$(invited_link 1)
expect "Call-Info" "<$link>;purpose=info;call-reason=\"$quoted\"" "$(field Call-Info 1)"
expect "link" "$(jq -r .evidence_link <<<"$answer")" "$link"
expect "caller" 1 "$(field From 1 | grep -c "<sip:$COUNCIL>")"

shown=$(api GET "/v1/calls/$call")
expect "reason in the API" "$reason" "$(jq -r .call_reason <<<"$shown")"
expect "question in the API" "$question" "$(jq -r .question <<<"$shown")"
expect "options in the API" 'yes|no; not now' "$(jq -r '.options | join("|")' <<<"$shown")"
expect "reason in ifectl" 1 "$("$IFE_BIN/ifectl" call "$call" | grep -cF "reason      $reason")"
expect "options in ifectl" 1 \
	"$("$IFE_BIN/ifectl" call "$call" | grep -cF 'options     yes | no; not now')"
browser reason "$CASE_DIR/case.mjs" "$link" "$reason" "$question" yes 'no; not now'
expect "end" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
wait_until 5 grep -aq '^BYE ' "$STACK/captures/safety.msg"

# The fields stand for themselves: a reason without evidence, and neither.
answer=$(api POST /v1/calls \
	"{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\",\"trace_id\":\"trace-reason-2\",\"reason\":\"Short\"}")
call=$(jq -r .call_id <<<"$answer")
expect_call "$call" connected
expect "display name" '"safety: Short"' "$(field From 2 | grep -aoE '^"[^"]*"')"
expect "Subject" Short "$(field Subject 2)"
link=$(jq -r '.evidence_link // empty' <<<"$answer")
expect "Call-Info" "<${link:-data:}>;purpose=info;call-reason=\"Short\"" "$(field Call-Info 2)"
expect "end" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"

call=$(api POST /v1/calls \
	"{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\",\"trace_id\":\"trace-reason-3\"}" |
	jq -r .call_id)
expect_call "$call" connected
expect "display name" '"safety"' "$(field From 3 | grep -aoE '^"[^"]*"')"
expect "Subjects" 2 "$(grep -ac '^Subject: ' "$STACK/captures/safety.msg")"
expect "no reason in the API" null "$(api GET "/v1/calls/$call" | jq -r .call_reason)"
expect "end" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"

body() {
	jq -nc --arg reason "$1" "{expert_id:\"$SAFETY\",hazard_type:\"safety\",reason:\$reason}"
}
for bad in $'two\nlines' '' "$(printf '%0321d' 7)" $'turned \u202e'; do
	expect "a bad reason" 'INVALID_REQUEST reason' \
		"$(api POST /v1/calls "$(body "$bad")" | jq -r '.code + " " + .field')"
done
expect "options without a question" 'INVALID_REQUEST options' \
	"$(api POST /v1/calls "{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\",\"options\":[\"a\",\"b\"]}" | jq -r '.code + " " + .field')"
expect "INVITEs" 3 "$(grep -ac '^INVITE ' "$STACK/captures/safety.msg")"
expect_alive
