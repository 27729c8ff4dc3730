#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../netns.sh"
. "$(dirname "$0")/../dns.sh"

# The contacts of the three experts: a name, a name by NAPTR and SRV, and a name that the DNS never
# answers for.
registry_edit() {
	sed -e "s|expert-safety@$EXPERT_IP:|expert-safety@phone.example:|" \
		-e "s|expert-ethics@$ETHICS_IP:$ETHICS_PORT|expert-ethics@ethics.example|"
	EXPERT_CONTACT=sip:expert-security@slow.example EXPERT_SOURCES=$SPARE_IP registry_expert \
		"$SECURITY" "$SPARE_PORT" security security-2026a
}

zone() {
	dns_zone <<-ZONE
		slow.example silent
		phone.example 1 A $1
		ethics.example 1 NAPTR 10 10 s SIP+D2U _phones.ethics.example
		_phones.ethics.example 1 SRV 0 0 $ETHICS_PORT alias.ethics.example
		alias.ethics.example 1 CNAME phone.ethics.example
		phone.ethics.example 1 A $ETHICS_IP
		gateway.example 1 A $GATEWAY_IP
	ZONE
}

# calls NAME FROM_KEY FROM TO HAZARD CODE COUNT
calls() {
	rm -f "$STACK/$1.csv"
	signed_csv "$STACK/$1.csv" "$6" "$2" "$3" "$4" "$5" --count "$7"
	expect_ok "calls of $1" stack_calls "$1" uac "$STACK/$1.csv" -r 100
	expect "codes of $1" "$6" "$(jq -r .code "$STACK/captures/$1.outcomes" | sort -u)"
}

known() { rpc dns.view | contains "$1"; }

zone "$EXPERT_IP"
dns_start
printf '1 sip:gateway.example:%s 0 20\n' "$GATEWAY_PORT" >"$STACK/dispatcher.list"
KEYS=security-2026a start
stack_expert ethics "$ETHICS_PORT" uas
stack_expert gateway "$GATEWAY_PORT" uas
wait_until 20 known "gateway.example" || fail "the gateway's name is not resolved"
wait_until 20 known "_sip._udp.ethics.example" || fail "the SRV record is not resolved"

calls named council-2026a "$COUNCIL" "$SAFETY" safety 200 5
calls services council-2026a "$COUNCIL" "$ETHICS" ethics 200 5
CALLER_IP=$EXPERT_IP CALLER_PORT=$SPARE_PORT calls to-council safety-2026a "$SAFETY" "$COUNCIL" \
	safety 200 2

# More calls to the silent name than there are workers, and while they are under way another expert
# is called.
signed_csv "$STACK/slow.csv" 503 council-2026a "$COUNCIL" "$SECURITY" security --count 12
load_begin slow uac "$STACK/slow.csv" -r 100 -p "$SPARE_PORT"
calls beside council-2026a "$COUNCIL" "$SAFETY" safety 200 5
load_end
expect "refused calls to a name without an address" 12 \
	"$(jq -s 'map(select(.code == 503 and .retry_after > 0)) | length' \
	"$STACK/captures/slow.outcomes")"

# Names that a stranger chose, where Kamailio could look for an address: no program asks for them.
signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
raw_request "$STACK/via.sip" OPTIONS via@caller.example "$signed" \
	"s|^Via: .*|Via: SIP/2.0/UDP via.stranger.example;branch=z9hG4bK1|"
expect "answered to where it came from" 200 "$(final_code "$STACK/via.sip")"
raw_request "$STACK/ruri.sip" OPTIONS ruri@caller.example "$signed" \
	"1s|.*|OPTIONS sip:ruri.stranger.example SIP/2.0|" \
	"s|^Contact: .*|Route: <sip:route.stranger.example;lr>|"
final_code "$STACK/ruri.sip" >/dev/null
sed 's/$/\r/' >"$STACK/reply.sip" <<REPLY
SIP/2.0 200 OK
Via: SIP/2.0/UDP $PROXY_IP:$SIP_PORT;branch=z9hG4bKa
Via: SIP/2.0/UDP reply.stranger.example;branch=z9hG4bKb
From: <sip:a@b.example>;tag=1
To: <sip:c@d.example>;tag=2
Call-ID: stray@caller.example
CSeq: 1 INVITE
Content-Length: 0

REPLY
send_raw "$STACK/reply.sip" --wait 1 >/dev/null
expect "questions about a stranger's name" 0 "$(dns_asked stranger)"
expect "questions about the silent name" yes \
	"$([ "$(dns_asked 'slow\.example')" -gt 0 ] && echo yes)"

# The DNS goes silent altogether: its last answer holds. Its TTL of a second has passed.
echo ". silent" | dns_zone
before=$(dns_asked '.')
more_asked() { [ "$(dns_asked '.')" -gt "$before" ]; }
wait_until 20 more_asked || fail "expired names are not asked for again"
calls silent council-2026a "$COUNCIL" "$SAFETY" safety 200 5
calls silent-services council-2026a "$COUNCIL" "$ETHICS" ethics 200 5

# It comes back, with another address for the phone.
expect "requests at the new address so far" 0 "$(requests_at moved)"
stack_expert_at moved "$CALLER2_IP" "$EXPERT_PORT" uas
zone "$CALLER2_IP"
moved() { known "$CALLER2_IP" && ! known "$EXPERT_IP"; }
wait_until 90 moved || fail "the new address is not taken over"
calls new-address council-2026a "$COUNCIL" "$SAFETY" safety 200 2
expect "INVITEs at the new address" 2 "$(grep -ac '^INVITE ' "$STACK/captures/moved.msg")"
expect_alive
