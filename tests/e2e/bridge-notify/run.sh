#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"

export BRIDGE_LOG=trace
expect_ok "certificates" "$IFE_ROOT/scripts/make-test-ca.sh" "$STACK/tls"
expect_ok "receivers' packages" "$IFE_ROOT/tests/notify/run.sh"
mapfile -t ports < <(siptool ports 3 18000 18999)
HOOKS=https://localhost:${ports[0]} CLOSED=https://localhost:${ports[2]}
secret=$(head -c 32 /dev/urandom | base64)
echo "whsec_$secret" >"$STACK/pager-secret"
password='a password that nobody may keep'
echo "$password" >"$STACK/mail-password"
chmod 600 "$STACK/pager-secret" "$STACK/mail-password"
got=$STACK/got
: >"$got"
proc_start receivers "$IFE_ROOT/tests/notify/run.sh" receivers.py "${ports[0]}" "${ports[1]}" \
	"$STACK/tls/server.pem" "$STACK/tls/server.key" "$STACK/pager-secret" "$got"
wait_until 15 grep -q ready "$got"
EVIDENCE_MORE="notify:
  allowed_hosts: [\"localhost:${ports[0]}\", \"localhost:${ports[2]}\"]
  secrets: {pager: pager-secret}
  ca: tls/ca.pem
  timeout_s: 1
  mail: {server: localhost, port: ${ports[1]}, username: bridge, password_file: mail-password, from: \"IF.ESCALATE <bridge@council.example>\"}"

SECOND=expert-second@external.advisor THIRD=expert-third@external.advisor
hook() { printf '{webhook: "%s", secret: %s}' "$1" "${2:-pager}"; }
mail() { printf '{mail: "%s"}' "$1"; }
registry_edit() {
	sed -e "/^  - id: $SAFETY/a\\    notify: [$(hook "$HOOKS/ok?token=of-the-receiver"), $(hook \
		"$HOOKS/once"), $(hook "$HOOKS/refuse"), $(mail desk@external.advisor)]" \
		-e "/^  - id: $ETHICS/a\\    notify: [$(hook "$HOOKS/slow"), $(hook "$CLOSED/ok"), $(mail \
		later@external.advisor), $(mail refuse@external.advisor)]"
	registry_expert "$SECOND" "$SPARE_PORT" security second-2026a "notify: [$(hook "$HOOKS/broken")]"
	registry_expert "$THIRD" "$EXPERT_PORT" security third-2026a \
		"notify: [$(hook "$HOOKS/redirect"), $(hook "https://127.0.0.1:${ports[0]}/ok"), $(hook \
		"$HOOKS/ok" unknown), $(hook "$HOOKS/ok")]"
}
KEYS="second-2026a third-2026a" start_with_evidence
stack_expert ethics "$ETHICS_PORT" uas
stack_expert second "$SPARE_PORT" uas-busy

# got_of JQ: received notices, in the order of their ids and paths. notified TRACE: the outcomes
# of the log.
got_of() { jq -sr "sort_by(.path, .id)[] | $1" "$got"; }
notified() {
	log_entries | jq -r --arg trace "$1" 'select(.event == "NOTIFIED" and .trace_id == $trace)
		| "\(.expert | split("@")[0]) \(.channel) \(.outcome) attempt=\(.attempt) \(.detail)"' | sort
}
notified_are() {
	[ "$(log_entries | jq -r --arg trace "$1" 'select(.event == "NOTIFIED" and .trace_id == $trace) | 1' | wc -l)" = "$2" ]
}
# call_for TRACE HAZARD EXPERT [ARG ...]: a call that is connected with that expert; its id in CALL.
export IFE_BRIDGE="unix:$STACK/bridge.sock" IFE_AGENT=if://agent/guard \
	IFE_AGENT_KEY="$STACK/keys/guard-2026a.key"
call_for() {
	local answer
	answer=$(ifectl escalate --json --wait --trace-id "$1" --hazard "$2" "${@:4}")
	expect "state of $1" "connected $3" "$(jq -r '.sip_call_state + " " + .expert_id' <<<"$answer")"
	CALL=$(jq -r .call_id <<<"$answer")
}

reason='Valve 1 <b>opens</b>; $(reboot) "by itself" é中'
call_for trace-notify-1 safety "$SAFETY" --reason "$reason" --question 'May it <i>stay</i> open?' \
	--option yes --option no
call=$CALL
wait_until 20 notified_are trace-notify-1 4
expect "notifications of the first call" \
	"expert-safety mail delivered attempt=0 tries=1;expert-safety webhook delivered attempt=0 tries=1;expert-safety webhook delivered attempt=0 tries=2;expert-safety webhook refused attempt=0 tries=1" \
	"$(notified trace-notify-1 | paste -sd ';')"
expect "requests, each with a good signature" "/ok true;/once true;/once true;/refuse true" \
	"$(got_of 'select(.kind == "webhook") | "\(.path) \(.verified)"' | paste -sd ';')"
expect "one id for both tries" 1 "$(got_of 'select(.path == "/once") | .id' | sort -u | wc -l)"
link=$(invited_link 1)
wanted=$(jq -nc --arg call "$call" --arg expert "$SAFETY" --arg council "sip:$COUNCIL" \
	--arg reason "$reason" --arg link "$link" \
	'[$call, "trace-notify-1", "safety", $expert, $council, "if://agent/guard", $reason, "May it <i>stay</i> open?", ["yes", "no"], $link]')
expect "a request's content" "expert.called $wanted" \
	"$(got_of 'select(.path == "/ok") | .body | .type + " " + (.data | [.call_id, .trace_id, .hazard, .expert_id, .council, .caller, .reason, .question, .options, .link] | tojson)')"
expect "the link ends later" true \
	"$(got_of 'select(.path == "/ok") | .body | .data.link_expires > .timestamp')"
expect "a mail" "true bridge desk@external.advisor IF.ESCALATE: safety - Case trace-notify-1" \
	"$(got_of 'select(.kind == "mail") | "\(.secured) \(.account) \(.to[0]) \(.subject)"')"
expect "its headers" \
	"auto-submitted content-transfer-encoding content-type date from message-id mime-version subject to" \
	"$(got_of 'select(.kind == "mail") | .headers | join(" ")')"
expect "its reason and link" 2 \
	"$(got_of 'select(.kind == "mail") | .text' | tr -d '\r' | grep -cxF -e "Reason: $reason" \
	-e "$link")"
expect "the history" 4 \
	"$(api GET "/v1/calls/$call" | jq -r '.history[].detail' | grep -c "^NOTIFIED $SAFETY by ")"
for status in 200 409; do
	expect "the link, used" "$status" \
		"$(curl -s -o /dev/null -w '%{http_code}' -X POST -H "Authorization: Bearer ${link#*#}" \
		"${link%%#*}/redeem")"
done

# The first expert is busy: the notification that failed waits, and is given up. The second one's
# are for that expert alone.
call_for trace-notify-2 security "$THIRD"
wait_until 20 notified_are trace-notify-2 5
expect "notifications of the second call" \
	"expert-second webhook withdrawn attempt=0;expert-third webhook delivered attempt=1;expert-third webhook not_allowed attempt=1;expert-third webhook not_configured attempt=1;expert-third webhook redirected attempt=1" \
	"$(notified trace-notify-2 | sed 's/ tries=.*//' | paste -sd ';')"
expect "whom a redirect reaches" 0 "$(got_of 'select(.path == "/stolen") | 1' | wc -l)"
links=$(got_of 'select(.body.data.trace_id == "trace-notify-2") | "\(.path) \(.body.data.expert_id) \(.body.data.link)"' | sort -u)
expect "links of the second call" 2 "$(cut -d ' ' -f 3 <<<"$links" | sort -u | wc -l)"

# Nothing that a receiver does holds up a call.
call_for trace-notify-3 ethics "$ETHICS"
wait_until 60 notified_are trace-notify-3 4
expect "notifications of the third call" \
	"expert-ethics mail delivered attempt=0 tries=2;expert-ethics mail refused attempt=0 tries=1;expert-ethics webhook timeout attempt=0 tries=4;expert-ethics webhook unreachable attempt=0 tries=4" \
	"$(notified trace-notify-3 | paste -sd ';')"
expect "connected before" CONNECTED \
	"$(log_entries | jq -r 'select(.trace_id == "trace-notify-3" and (.event == "CONNECTED" or .outcome == "timeout") and (.producer | startswith("bridge"))) | .event' | head -1)"
expect_call "$CALL" connected

# A call that ends takes its notification along.
api DELETE "/v1/calls/$CALL" >/dev/null
call_for trace-notify-4 ethics "$ETHICS"
expect "end" terminated "$(api DELETE "/v1/calls/$CALL" | jq -r .status)"
wait_until 60 notified_are trace-notify-4 4
expect "withdrawn" 2 "$(notified trace-notify-4 | grep -c 'webhook withdrawn')"

metric() {
	api GET /metrics | sed -n "s/^ife_bridge_notifications_total{channel=\"$1\",outcome=\"$2\"} //p"
}
expect "counted" "3 1 1 2 3" \
	"$(metric webhook delivered) $(metric webhook timeout) $(metric webhook redirected) $(metric mail \
	refused) $(metric mail delivered)"

# Nothing keeps a secret, and no entry has a link.
kept=("$STACK/witness" "$STATE" "$STACK/store" "$STACK/log/bridge.log" "$STACK/log/witnessd.log"
	"$STACK/log/kamailio.log")
for text in "$secret" "$password" "$(printf '\0bridge\0%s' "$password" | base64 | cut -c 1-40)" \
	"${link#*#}" of-the-receiver $(cut -d ' ' -f 3 <<<"$links" | sed 's/.*#//'); do
	expect "files with ${text:0:6}..." "" "$(grep -rlF -- "$text" "${kept[@]}" | xargs)"
done

# What cannot work is refused before it is needed.
echo "whsec_short" >"$STACK/pager-secret"
expect_fails "a secret that is none" 'pager-secret: not a secret: whsec_' "$BRIDGE_BIN" check \
	--config "$STACK/bridge.yaml"
echo "whsec_$secret" >"$STACK/pager-secret"
sed -i 's/server: localhost, port/server: mail.example, tls: none, port/' "$STACK/bridge.yaml"
expect_fails "a mail in the clear" 'notify.mail.tls: must be starttls or tls' "$BRIDGE_BIN" check \
	--config "$STACK/bridge.yaml"
expect_alive
