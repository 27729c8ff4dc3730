#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"

API_PORT=$(siptool ports 1 16000 16999)
head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$STACK/token"
LISTEN_MORE=", tcp: {address: \"127.0.0.1:$API_PORT\", token_file: token}"
QUOTA='{per_minute: 100, concurrent: 1, max_call_s: 3600}' \
	ETHICS_QUOTA='{per_minute: 100, concurrent: 100, max_call_s: 3600}' start_with_evidence
SOCKET=(--unix-socket "$STACK/bridge.sock")
TCP=http://127.0.0.1:$API_PORT
PAGES=http://127.0.0.1:$EVIDENCE_PORT
JSON=(-H 'Content-Type: application/json')

# problem WHAT "STATUS CODE FIELD" CURL_ARG...: the answer is that problem document. Its headers are
# in $STACK/headers, its text in $STACK/problem.
problem() {
	local what=$1 wanted=$2 status kind
	shift 2
	status=$(curl -s --max-time 60 -D "$STACK/headers" -o "$STACK/problem" -w '%{http_code}' "$@")
	kind=$(sed -n 's/^content-type: *//Ip' "$STACK/headers" | tr -d '\r')
	expect "kind of the answer to $what" application/problem+json "$kind"
	expect "answer to $what" "$wanted" \
		"$status $(jq -r '"\(.code) \(.field // "-")"' "$STACK/problem")"
	expect "status within the answer to $what" "$status" "$(jq -r .status "$STACK/problem")"
}
header() { sed -n "s/^$1: *//Ip" "$STACK/headers" | tr -d '\r'; }

# on the Unix socket: problem WHAT WANTED METHOD PATH [BODY].
asked() {
	local what=$1 wanted=$2 method=$3 path=$4 body=()
	[ $# -lt 5 ] || body=("${JSON[@]}" --data-binary "$5")
	problem "$what" "$wanted" "${SOCKET[@]}" -X "$method" "http://bridge$path" "${body[@]}"
}

# Requests that are not as they must be.
asked "no JSON" "400 INVALID_REQUEST -" POST /v1/calls '{'
asked "text after the JSON" "400 INVALID_REQUEST -" POST /v1/calls \
	"{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\"} x"
asked "no object" "400 INVALID_REQUEST -" POST /v1/calls '"x"'
expect "types of ours in it" 0 "$(grep -c struct "$STACK/problem")"
asked "a missing member" "400 INVALID_REQUEST hazard_type" POST /v1/calls \
	"{\"expert_id\":\"$SAFETY\"}"
asked "an unknown member" "400 INVALID_REQUEST colour" POST /v1/calls '{"colour":1}'
asked "a member of another type" "400 INVALID_REQUEST evidence_files[1]" POST /v1/calls \
	'{"evidence_files":["a",7]}'
asked "a hazard that is none" "400 INVALID_REQUEST hazard_type" POST /v1/calls \
	"{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"NOT ONE\"}"
asked "another wait" "400 INVALID_REQUEST wait" POST '/v1/escalations?wait=foo' \
	"$(escalation m-0 trace-problems-0 safety)"
asked "an unknown query" "400 INVALID_REQUEST wiat" POST '/v1/escalations?wiat=connected' \
	"$(escalation m-0 trace-problems-0 safety)"
asked "a path that is not UTF-8" "400 INVALID_REQUEST -" GET /v1/calls/%ff
asked "no such route" "404 NOT_FOUND -" GET /v1/nothing
asked "no such call" "404 NOT_FOUND -" GET /v1/calls/sip-call-0000000000000000
asked "another method" "405 METHOD_NOT_ALLOWED -" PUT /v1/calls
expect "methods that there are" "GET HEAD POST" "$(header allow | tr ',' '\n' | sort | xargs)"
head -c 1048577 /dev/zero | tr '\0' ' ' >"$STACK/long"
asked "a long body" "413 TOO_LARGE -" POST /v1/calls "@$STACK/long"

# Who may ask.
problem "a request of another site" "403 FORBIDDEN -" "${SOCKET[@]}" \
	-H 'Origin: https://evil.example' http://bridge/v1/calls
problem "no token" "401 UNAUTHENTICATED -" "$TCP/v1/calls"
expect "what would let it in" Bearer "$(header www-authenticate)"
problem "another token" "401 UNAUTHENTICATED -" \
	-H "Authorization: Bearer $(tr A-Za-z B-ZAb-za <"$STACK/token")" "$TCP/v1/calls"
problem "no such route, with the token" "404 NOT_FOUND -" \
	-H "Authorization: Bearer $(cat "$STACK/token")" "$TCP/v1/nothing"
asked "an unknown agent" "401 UNKNOWN_AGENT source" POST /v1/escalations \
	"$(escalation m-1 trace-problems-1 safety | jq -c '.source = "if://agent/stranger"')"
asked "a message that was changed" "403 INVALID_SIGNATURE signature" POST /v1/escalations \
	"$(escalation m-1 trace-problems-1 safety | jq -c '.payload.hazards = ["ethics"]')"

# Answers of policy and registry.
asked "an unknown expert" "404 EXPERT_NOT_FOUND -" POST /v1/calls \
	'{"expert_id":"expert-nobody@external.advisor","hazard_type":"safety"}'
asked "a hazard that is not the expert's" "403 POLICY_REJECTED -" POST /v1/calls \
	"{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"ethics\"}"
expect "its gate" hazard "$(jq -r .gate "$STACK/problem")"
asked "an unknown second hazard" "403 POLICY_REJECTED payload.hazards[1]" POST /v1/escalations \
	"$(escalation m-2 trace-problems-2 safety,nonsense)"
call=$(api POST /v1/calls "{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\"}" | jq -r .call_id)
expect_call "$call" connected
asked "a full quota" "403 POLICY_REJECTED -" POST /v1/calls \
	"{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\"}"
expect "its gate" quota "$(jq -r .gate "$STACK/problem")"
expect "when to come again" 5 "$(header retry-after)"
asked "a join to a call of another expert" "400 INVALID_REQUEST external_expert_id" POST \
	/v1/bridges \
	"{\"sip_call_id\":\"$call\",\"council_call_id\":\"council\",\"external_expert_id\":\"$ETHICS\"}"
api DELETE "/v1/calls/$call" >/dev/null

# A phone that rings and then answers 404 or 410 is an outcome.
for status in 404 410; do
	proc_stop ethics 2>/dev/null
	sed "s|SIP/2.0 480|SIP/2.0 $status|" "$SIPP_DIR/uas-reply.xml" >"$STACK/sipp/uas-$status.xml"
	stack_expert ethics "$ETHICS_PORT" "$STACK/sipp/uas-$status.xml"
	reply=$(api POST '/v1/escalations?wait=connected' \
		"$(escalation "m-$status" "trace-problems-$status" ethics)" -w '\n%{http_code}')
	expect "HTTP status of a phone's $status" 201 "$(tail -n 1 <<<"$reply")"
	expect "outcome of a phone's $status" "rejected failed expert_not_found" \
		"$(head -n 1 <<<"$reply" | jq -r '"\(.status) \(.sip_call_state) \(.reason)"' |
		cut -d ' ' -f 1-3)"
	expect_log 1 ".event == \"RINGING\" and .trace_id == \"trace-problems-$status\" and
		(.producer | startswith(\"kamailio\"))"
done

# The experts' side.
problem "no such route of a page" "404 NOT_FOUND -" "$PAGES/v1/calls"
problem "another method of a page" "405 METHOD_NOT_ALLOWED -" -X PUT \
	"$PAGES/e/AAAAAAAAAAAAAAAAAAAAAA/redeem"
problem "a link that is not valid" "401 LINK_INVALID -" -X POST \
	"$PAGES/e/AAAAAAAAAAAAAAAAAAAAAA/redeem"
problem "a long offer" "413 TOO_LARGE -" -X POST -H 'Content-Type: application/sdp' \
	--data-binary "@$STACK/long" "$PAGES/e/AAAAAAAAAAAAAAAAAAAAAA/offer"

# Parts that are down.
proc_stop witnessd
not_ready() { [ "$(api_status GET /readyz)" = 503 ]; }
wait_until 30 not_ready
asked "a call that cannot be witnessed" "503 UNAVAILABLE -" POST /v1/calls \
	"{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\"}"
expect "when to come again" 5 "$(header retry-after)"
stack_start_witnessd
wait_until 30 bridge_ready
expect_alive
