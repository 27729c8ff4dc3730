# Sourced by the intake's cases after bridge.sh: a real nats-server with its streams, messages in,
# outcomes and dead letters out.
# shellcheck shell=bash

NATS_PORT=$(siptool ports 1 17000 17999)
CONSUMER=ife-bridge
BRIDGE_MORE="nats: {url: \"${NATS_AT:-nats://127.0.0.1}:$NATS_PORT\"${NATS_MORE:-}, stream: IFCONNECT, consumer: $CONSUMER, subject: if.connect.escalate, dead_letter_subject: if.connect.dead, outcome_subject: if.connect.outcome, call_subject: if.connect.calls}"

nats() { python3 "$IFE_ROOT/tests/e2e/nats.py" "$NATS_PORT" "$@"; }
nats_up() { grep -q 'stream not found' <<<"$(nats info NONE 2>&1)"; }

# The server, with its earlier store if there is one.
nats_start() {
	local how=(-a 127.0.0.1 -p "$NATS_PORT" -js -sd "$STACK/nats")
	[ -z "${NATS_CONF:-}" ] || how=(-c "$NATS_CONF")
	proc_start nats nats-server "${how[@]}"
	wait_until 15 nats_up || stack_fail nats "nats-server did not get ready"
}

nats_streams() {
	expect_ok "stream of escalations" nats stream IFCONNECT if.connect.escalate
	expect_ok "stream of dead letters" nats stream DEAD if.connect.dead
	expect_ok "stream of outcomes" nats stream OUTCOME if.connect.outcome
}

# send_message [HEADER=VALUE ...]: the body from stdin.
send_message() {
	nats publish if.connect.escalate "$@" >>"$STACK/log/published.log" ||
		fail "a message was not stored"
}

# outcome_of MESSAGE_ID: payloads of the outcomes of that message, one line each.
outcomes() { nats messages OUTCOME | jq -c '.body | fromjson | .payload'; }
outcome_of() { outcomes | jq -c --arg id "$1" 'select(.in_reply_to == $id)'; }
has_outcome() { [ -n "$(outcome_of "$1")" ]; }

# expect_outcome MESSAGE_ID STATUS [SECONDS]
expect_outcome() {
	wait_until "${3:-20}" has_outcome "$1"
	expect "outcome of $1" "$2" "$(outcome_of "$1" | head -n 1 | jq -r .status)"
}

dead_letters() { nats messages DEAD | jq -r '.headers["IFE-Reason"]'; }
dead_are() { [ "$(dead_letters | wc -l)" = "$1" ]; }

# Nothing of the stream waits or is in hand.
worked_off() {
	nats info IFCONNECT "$CONSUMER" | jq -e '.num_pending == 0 and .num_ack_pending == 0'
}
expect_worked_off() {
	wait_until "${1:-20}" worked_off
	expect "messages that wait or are in hand" "0 0" \
		"$(nats info IFCONNECT "$CONSUMER" | jq -r '"\(.num_pending) \(.num_ack_pending)"')"
}

# calls_to NAME [TRACE]: calls that an expert was sent, retransmissions not counted: a trace id and
# a Call-ID each.
calls_to() {
	tr -d '\r' <"$STACK/captures/$1.msg" | awk '
		/^INVITE sip:/ { inside = 1; trace = ""; id = "" }
		inside && /^X-IF-Trace-ID:/ { trace = $2 }
		inside && /^Call-ID:/ { id = $2 }
		inside && /^$/ { print trace, id; inside = 0 }' | sort -u | grep "^${2:-}"
}
