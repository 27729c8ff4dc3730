#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

COUNT=150
core() { rpc stats.fetch "core:$1" | jq -r '.[]'; }
refused() { rpc ife.stats | jq .overload_refused; }
worker() { rpc core.psx | jq -r '.[] | select(.DSC | test("udp receiver")) | .PID'; }
flood_to() {
	"$CASE_DIR/flood.py" "$PROXY_IP" "$SIP_PORT" "$CALLER_IP" "$(worker)" "$STACK/known.sip" \
		"$STACK/new.sip" "$COUNT" >"$1"
}

# One address calls more often than the ban table allows. The budget of entries is spent first.
PIKE_DENSITY=1000000
start -A WORKERS=1 -A SHED_STRANGERS=2 -A SHED_PARTIES=2 -A REFUSALS_PER_S=1
signed_csv "$STACK/spend.csv" 403/registry council-2026a mallory@elsewhere.example "$SAFETY" \
	safety --count 150
expect_ok "refused calls" stack_calls spend uac "$STACK/spend.csv" -r 100
signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
raw_request "$STACK/known.sip" INVITE known@caller.example "$signed"
raw_request "$STACK/new.sip" INVITE early-@N@@caller.example "$signed"
invites=$(core rcv_requests_invite)
expect_ok "the flood" flood_to "$STACK/flood.json"

flood() { jq "$1" "$STACK/flood.json"; }
early=$(refused)
note "  $(jq -c . "$STACK/flood.json"), $early refused before they were parsed"
expect "each new call has a final reply" "$COUNT" "$(flood .answered)"
[ "$early" -ge 75 ] || fail "only $early of $COUNT calls are refused before they are parsed"
expect "these refusals are well-formed" "$early" "$(flood .own)"
expect "an answered call, whose INVITE is sent again, is refused" false \
	"$(flood '.known | any(. == 503)')"
# INVITE and ACK of such a call are seen by no route.
expect "INVITEs that Kamailio handled" "$((COUNT + 2 - early))" \
	"$(($(core rcv_requests_invite) - invites))"
# The stateless refusals of the script are acknowledged before Kamailio counts an ACK.
expect "ACKs that Kamailio handled, of the call" 1 "$(core rcv_requests_ack)"
expect "the call is hung up" '"200"' "$(flood .bye)"

# Nothing is lost to the log, and the next call is served.
omitted_in_log() { log_entries | jq -s 'map(.omitted.count // 0) | add'; }
expect_soon "refusals counted in the log" "$(rpc ife.stats | jq .refusals_omitted)" omitted_in_log
[ "$(omitted_in_log)" -ge "$early" ] || fail "fewer are in the log than were refused"
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 20
expect_ok "calls of the council" stack_calls calls uac "$STACK/calls.csv"
expect_calls calls "$STACK/calls.csv"
expect_alive
verify_by_all

# Beside calls that are not the gate's it must not be on.
proc_stop kamailio
kamailio_args
sed '/"scope", "all"/d' "$IFE_ROOT/kamailio.cfg" >"$STACK/scope.cfg"
without_scope() {
	timeout 20 kamailio -DD -E -f "$STACK/scope.cfg" -Y "$STACK/kamailio-run" -m 64 -M 8 \
		"${KAMAILIO_ARGS[@]}"
}
expect_fails "refuse_above without scope all" 'refuse_above needs scope "all"' without_scope
