#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

start_with_bridge

kamailio_is() { [ "$(api GET /readyz | jq -r .kamailio)" = "$1" ]; }
connect() {
	call=$(api POST '/v1/escalations?wait=connected' "$(escalation "$1" "trace-$1" safety)" |
		jq -r .call_id)
	expect_call "$call" connected
}

expect_ok "Asterisk probes Kamailio" wait_until 30 kamailio_is true
connect m-ready-1
proc_kill kamailio
expect_ok "the probes find that Kamailio is gone" wait_until 60 kamailio_is false
expect "readiness without Kamailio" 503 "$(api_status GET /readyz)"
expect_ok "the metric" eval 'api GET /metrics | contains "^ife_bridge_kamailio_up 0"'
expect "terminate_call" hangup_unconfirmed "$(api DELETE "/v1/calls/$call" | jq -r .status)"
expect "the call" "failed hangup_unconfirmed" \
	"$(api GET "/v1/calls/$call" | jq -r '.sip_call_state + " " + .reason')"
expect "BYEs at the phone" 0 "$(grep -ac '^BYE ' "$STACK/captures/safety.msg")"
expect_ok "the count" eval 'api GET /metrics | contains "^ife_bridge_hangups_unconfirmed_total 1"'

stack_start_kamailio
expect_ok "Kamailio is found again" wait_until 60 kamailio_is true
expect "readiness" 200 "$(api_status GET /readyz)"
connect m-ready-2
expect "terminate_call" terminated "$(api DELETE "/v1/calls/$call" | jq -r .status)"
expect_channels gateway 0
expect_alive
