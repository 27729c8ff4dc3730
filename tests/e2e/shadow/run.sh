#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start -A 'MODE="shadow"'
signed_csv "$STACK/good.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
signed_csv "$STACK/unsigned.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
signed_csv "$STACK/stale.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety \
	--iat $(($(date +%s) - 3600))
expect_ok "good call" stack_calls good uac "$STACK/good.csv"
expect_ok "unsigned call passes" stack_calls unsigned uac-unsigned "$STACK/unsigned.csv"
expect_ok "stale call passes" stack_calls stale uac "$STACK/stale.csv"
for name in good unsigned stale; do
	expect "$name" 200 "$(jq .code "$STACK/captures/$name.outcomes")"
done
expect_log 1 '.event == "APPROVED"'
expect_log 1 '.event == "REJECTED" and .gate == "signature" and .code == 428'
expect_log 1 '.event == "REJECTED" and .gate == "freshness" and .code == 403'
expect "counted as refusals" "1 1" \
	"$(rpc ife.stats | jq -r '.rejected | "\(.signature) \(.freshness)"')"
expect "mode is told" shadow "$(rpc ife.status | jq -r .mode)"
expect_alive

# What enforcement would have refused, from the log: by gate, with an example and what to do.
expect "refusals without the mark of shadow mode" "" \
	"$(log_entries | jq -c 'select(.event == "REJECTED" and .shadow != true)')"
report=$(ifectl shadow-report --log "$STACK/witness" --vkey "$STACK/witness.vkey" --json)
expect "exit code with refusals" 1 $?
expect "refused and approved" "2 1 true" \
	"$(jq -r '"\(.refused) \(.approved) \(.verified)"' <<<"$report")"
expect "the gates" "freshness signature" "$(jq -r '.gates[].gate' <<<"$report" | xargs)"
expect "an example of a caller without a signature" "1.unsigned@caller.example" \
	"$(jq -r '.gates[] | select(.gate == "signature") | .kinds[0].example.call_id' <<<"$report")"
index=$(jq -r '.gates[] | select(.gate == "signature") | .kinds[0].example.index' <<<"$report")
expect "the example's entry" signature \
	"$(ifectl witness show --log "$STACK/witness" --index "$index" --json |
	jq -r '.entries[0].gate // .entries[0].entry.gate')"
# The ladder shows that the refusal was not carried out: no answer goes back to the caller.
ladder=$(ifectl witness show --log "$STACK/witness" --index "$index")
grep -qF 'let pass (shadow), would be rejected at gate signature with 428' <<<"$ladder" ||
	fail "the ladder shows a refusal of shadow mode as one that was carried out: $ladder"
grep -qE '<-|rejected at gate signature$' <<<"$ladder" && fail "the ladder has an answer: $ladder"
told=$(ifectl shadow-report --log "$STACK/witness")
for line in '^2 of 3 decisions would have been refused' '^gate signature: 1' '^gate freshness: 1' \
	"x 428 sip:$COUNCIL -> " '-> no signature, an unknown key' 'not verified'; do
	grep -qE -e "$line" <<<"$told" || fail "shadow-report: no /$line/ in: $told"
done
expect "nothing since tomorrow" 0 \
	"$(ifectl shadow-report --log "$STACK/witness" --since 2100-01-01T00:00:00Z >/dev/null; echo $?)"
expect_fails "a time that is none" "is a time such as 2026" ifectl shadow-report \
	--log "$STACK/witness" --since yesterday
