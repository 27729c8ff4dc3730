# Sourced by the evidence cases after bridge.sh: the evidence server's configuration, and a peer
# that shares no code with it.
# shellcheck shell=bash

mapfile -t evidence_ports < <(siptool ports 2 17000 17999)
EVIDENCE_PORT=${evidence_ports[0]} EVIDENCE_UDP=${evidence_ports[1]}
EVIDENCE_IP=${EVIDENCE_IP:-127.0.0.1}
mkdir -p "$STACK/evidence" "$STACK/received"

# EVIDENCE_MORE: further fields of the section, indented by two.
evidence_config() {
	cat <<-YAML
		witness_log: {dir: witness, vkeys: witness.vkey}
		evidence:
		  public_url: "http://127.0.0.1:$EVIDENCE_PORT"
		  listen: {address: "127.0.0.1:$EVIDENCE_PORT"}
		  udp: "$EVIDENCE_IP:$EVIDENCE_UDP"
		  roots: [evidence]
		  signing_key: keys/evidence-2026a.key
		${EVIDENCE_MORE:-}
	YAML
}

# start_with_evidence: as start_with_bridge, with evidence.
start_with_evidence() {
	BRIDGE_MORE=$(evidence_config)
	KEYS="evidence-2026a ${KEYS:-}" start_with_bridge "$@"
}

# peer SCENARIO LINK ...: one line of JSON; its stderr is shown when it fails. PEER_IN
# names its network namespace.
peer() {
	local where=()
	[ -z "${PEER_IN:-}" ] || where=(--in "$(netns_pid "$PEER_IN")")
	PEER_ADDRESS=${PEER_ADDRESS-127.0.0.1} timeout -k 5 "${PEER_TIMEOUT_S:-120}" \
		"$IFE_ROOT/tests/evidence/run.sh" "${where[@]}" peer.py "$@" 2>"$STACK/log/peer.err" || {
		fail "peer $1: $(tail -n 3 "$STACK/log/peer.err")" >&2
		return 1
	}
}

# The agent over a real socket, built like the bridge unless IFE_EVIDENCE_AGENT names one; its path
# on stdout.
evidence_agent() {
	if [ -n "${IFE_EVIDENCE_AGENT:-}" ]; then
		printf '%s\n' "$IFE_EVIDENCE_AGENT"
		return
	fi
	"$IFE_ROOT/tests/tools/build" evidence_agent --release
}

# call_about FILE...: calls the safety expert with evidence; the answer. ROOM names another
# conference.
call_about() {
	local files
	files=$(jq -nc --args '$ARGS.positional' -- "$@")
	api POST /v1/calls "{\"expert_id\":\"$SAFETY\",\"hazard_type\":\"safety\",\"evidence_files\":$files,\"conversation_id\":\"${ROOM:-council}\"}"
}

# invited_link N: the link in the Call-Info of the Nth INVITE at the expert.
invited_link() {
	grep -aoE '^Call-Info: <[^>]*>;purpose=info' "$STACK/captures/safety.msg" |
		sed -n "$1s/.*<\(.*\)>.*/\1/p"
}

evidence_is() { [ "$(api GET "/v1/calls/$1" | jq -r .evidence_state)" = "$2" ]; }

# expect_evidence CALL STATE
expect_evidence() {
	wait_until 15 evidence_is "$1" "$2"
	expect "evidence state of $1" "$2" "$(api GET "/v1/calls/$1" | jq -r .evidence_state)"
}
