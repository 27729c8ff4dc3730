#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"
. "$(dirname "$0")/../page.sh"

page_setup
"$IFE_ROOT/tests/browser/evidence.py" "$STACK/evidence"
head -c 24M /dev/urandom >"$STACK/evidence/recording.bin"
KEYS="guardian-1 guardian-2" start_with_evidence
GUARDIANS="{name: guardian-1, section: mcu-7f3a, public_key: \"${PUBLIC[guardian-1]}\"}, {name: guardian-2, section: mcu-7f3a, public_key: \"${PUBLIC[guardian-2]}\"}" \
	bridge_config >"$STACK/bridge.yaml"
proc_stop bridge
bridge_start

request() { python3 "$IFE_ROOT/tests/e2e/guardian.py" "$STACK/keys/$1.key" "${@:2}"; }
admit() { api POST /v1/guardians/admissions "$(request "$1" admission council "${2:-false}")"; }
ask() { api POST /v1/guardians/evidence "$1"; }
redeem() {
	curl -s -o /dev/null -w '%{http_code}' -X POST -H "Authorization: Bearer ${1#*#}" "${1%%#*}/redeem"
}
states() {
	api GET "/v1/calls/$call" |
		jq -r '[.guardian_evidence[]? | .guardian, .evidence_state] | join(" ")'
}
states_are() { [ "$(states)" = "$1" ]; }
receipt_of() { printf '.event == "EVIDENCE_VERIFIED" and .evidence.failed == [] and %s' "$1"; }

# Before the call there is nothing to link to.
expect "admission before the call" '{"confirmed":true}' "$(admit guardian-1 | jq -c .)"
answer=$(call_about recording.bin notes.md)
call=$(jq -r .call_id <<<"$answer") expert=$(jq -r .evidence_link <<<"$answer")
expect_call "$call" connected

# Who gets a link, and who none.
asked=$(request guardian-1 evidence council)
answer=$(ask "$asked")
expect "a call of the room" "$call" "$(jq -r '.evidence[].call_id' <<<"$answer")"
unused=$(jq -r '.evidence[0].evidence_link' <<<"$answer")
expect "a copy of the request" "INVALID_REQUEST timestamp" \
	"$(ask "$asked" | jq -r '"\(.code) \(.field)"')"
expect "another's key" INVALID_SIGNATURE \
	"$(ask "$(NAME=guardian-1 request guardian-2 evidence council)" | jq -r .code)"
expect "another room" NOT_FOUND "$(ask "$(request guardian-1 evidence hearing)" | jq -r .code)"
expect "without an admission" NOT_FOUND \
	"$(ask "$(request guardian-2 evidence council)" | jq -r .code)"
expect "a refused admission" '{"confirmed":false,"reject_reason":"PII_POLICY_VIOLATION"}' \
	"$(admit guardian-2 true | jq -c .)"
two=$(admit guardian-2 | jq -r '.evidence[0].evidence_link')
one=$(ask "$(request guardian-1 evidence council)" | jq -r '.evidence[0].evidence_link')
expect "the link that was replaced" 401 "$(redeem "$unused")"
expect "links" 3 "$(printf '%s\n' "$expert" "$one" "$two" | grep '/e/.*#' | sort -u | wc -l)"
expect "guardians" "guardian-1 offered guardian-2 offered" "$(states)"
for secret in "$one" "$two"; do
	expect "no view has the link" 0 "$(api GET /v1/calls | grep -cF -- "${secret#*#}")"
	expect_ok "neither log nor store has it" test \
		-z "$(grep -rlF -- "${secret#*#}" "$STACK/log" "$STACK/store" "$STACK/witness")"
done

# All see it at once, and the one who stands still delays no other.
cd "$STACK/received" || die "no place for files"
receive() { timeout 200 "$IFE_BIN/ifectl" evidence receive --json "$@"; }
"$IFE_BIN/ifectl" evidence receive --json --to two "$two" >"$STACK/two.json" \
	2>"$STACK/log/two.err" &
second=$!
some_of_it() { [ "$(stat -c %s two/.receiving-0 2>/dev/null || echo 0)" -gt 1000000 ]; }
wait_until 60 some_of_it
kill -STOP "$second"
browser guardian "$CASE_DIR/case.mjs" "$one" "$STACK" &
page=$!
expect "the expert's files" '[true,true]' \
	"$(receive --to expert "$expert" | jq -c '[.files[].verified]')"
wait_until 120 test -e "$STACK/verified"
kill -CONT "$second"
wait "$second"
expect "the second guardian's exit code" 0 $?
expect_ok "the second guardian's file" cmp -s two/recording.bin "$STACK/evidence/recording.bin"
expect_evidence "$call" verified
wait_until 15 states_are "guardian-1 verified guardian-2 verified"
expect "guardians" "guardian-1 verified guardian-2 verified" "$(states)"
for viewer in '.guardian == "guardian-1" and (has("expert") | not)' \
	'.guardian == "guardian-2" and (has("expert") | not)' \
	".expert == \"$SAFETY\" and (has(\"guardian\") | not)"; do
	wait_log 1 "$(receipt_of "$viewer")"
	expect_log 1 "$(receipt_of "$viewer")"
done
sent=$(log_entries | jq -r 'select(.event == "EVIDENCE_SENT") | .guardian // "expert"' | sort |
	uniq -c | xargs)
expect "files sent to each" "2 expert 2 guardian-1 2 guardian-2" "$sent"
IFE_BRIDGE="unix:$STACK/bridge.sock" "$IFE_BIN/ifectl" call "$call" >"$STACK/call.txt"
expect_ok "ifectl names them" grep -q 'guardian-1 evidence verified, guardian-2 evidence verified' \
	"$STACK/call.txt"

# A used link is used; a new one ends the session before it when it is used, and the part of the
# expert's stays the expert's.
expect "a used link" 409 "$(redeem "$one")"
newer=$(admit guardian-1 | jq -r '.evidence[0].evidence_link')
seen=$(peer guardian "$newer")
cookie=$(jq -r .cookie <<<"$seen")
expect "what a guardian may not" \
	'{"viewer":"if://guardian/guardian-1","message":"m-1 not_expert","/accept":403,"/decision":403,"asked":403}' \
	"$(jq -c 'del(.cookie)' <<<"$seen")"
wait "$page" || fail "page: guardian"
expect "the session before it" 401 "$(redeem "$one")"

# The admission is withdrawn: session and link are good no more, and the call goes on.
state() { curl -s -o /dev/null -w '%{http_code}' -H "Cookie: $cookie" "${newer%%#*}/state"; }
expect "the session before the withdrawal" 200 "$(state)"
unused=$(ask "$(request guardian-1 evidence council)" | jq -r '.evidence[0].evidence_link')
expect "withdrawn" PII_POLICY_VIOLATION "$(admit guardian-1 true | jq -r .reject_reason)"
expect "its unused link" 401 "$(redeem "$unused")"
expect "its session" 401 "$(state)"
expect "a request for another" NOT_FOUND \
	"$(ask "$(request guardian-1 evidence council)" | jq -r .code)"
expect "the other guardian's link" 409 "$(redeem "$two")"
expect_call "$call" connected
expect_alive
