#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"
. "$(dirname "$0")/../page.sh"

page_setup
"$IFE_ROOT/tests/browser/evidence.py" "$STACK/evidence"
start_with_evidence
E=$STACK/evidence
answer=$(call_about "$E/notes.md" "$E/thermal-camera.png")
call=$(jq -r .call_id <<<"$answer")
expect_call "$call" connected

# write JSON: an agent's message; code_of: the answer's code or state.
write() { api POST "/v1/evidence/peers/$call/messages" "$1"; }
code_of() { jq -r '.code // .messages[0].state'; }
expect "before the page is open" NOT_FOUND "$(write '{"message":{"text":"early"}}' | code_of)"

curl -sN --max-time 600 --unix-socket "$STACK/bridge.sock" http://bridge/v1/events \
	>"$STACK/events" &
events=$!
browser messages "$CASE_DIR/case.mjs" "$(invited_link 1)" "$STACK" "$call"

shown=$(api GET "/v1/calls/$call" | jq -c '[.messages[] | [.direction, .state, .message.text]]')
expect "the messages of the call" \
	'[["to_expert","shown","<b>Is valve 1 open?</b> & \"wide\""],["to_council","taken","<i>No</i>; it is closed.\nI saw it."],["to_expert","shown","Are you sure?"],["to_council","taken","Yes."]]' "$shown"
hash_of() { jq -jnc --arg text "$1" '{text: $text}' | sha256sum | cut -d ' ' -f 1; }
entries() {
	log_entries | jq -r 'select(.event == "MESSAGE") |
		"\(.direction) \(.outcome) \(.size) \(.message_sha256)"'
}
wait_log 6 '.event == "MESSAGE"'
size_of() { jq -jnc --arg text "$1" '{text: $text}' | wc -c; }
first='<b>Is valve 1 open?</b> & "wide"'
expect "the first entries" \
	"to_expert sent $(size_of "$first") $(hash_of "$first");to_expert shown $(size_of \
	"$first") $(hash_of "$first")" "$(entries | head -2 | paste -sd ';')"
expect "all entries" \
	"to_council taken;to_council taken;to_expert sent;to_expert sent;to_expert shown;to_expert shown" \
	"$(entries | cut -d ' ' -f 1,2 | sort | paste -sd ';')"
expect "texts in the log" "" \
	"$(grep -rlaF -e 'valve 1 open' -e 'it is closed' "$STACK/witness" "$STATE" | xargs)"
kill "$events"
expect "events" "ifmessage_received 2;ifmessage_sent 2;ifmessage_shown 2" \
	"$(sed -n 's/^data: *//p' "$STACK/events" | jq -r '.event // empty' | grep ifmessage | sort |
	uniq -c | awk '{print $2 " " $1}' | paste -sd ';')"

head -c 1048576 /dev/zero | tr '\0' x | jq -Rc '{message: {text: .}}' >"$STACK/big.json"
expect "1 MB" TOO_LARGE \
	"$(curl -s --unix-socket "$STACK/bridge.sock" -H 'Content-Type: application/json' \
	--data-binary "@$STACK/big.json" \
	"http://bridge/v1/evidence/peers/$call/messages" | jq -r .code)"
expect_alive
