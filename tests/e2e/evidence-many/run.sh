#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"

COUNT=50
agent=$(evidence_agent) || die "the agent cannot be built"
EVIDENCE_MORE="  grace_s: 120"
start_with_evidence
links=()
for number in $(seq "$COUNT"); do
	head -c 20000 /dev/urandom >"$STACK/evidence/$number.bin"
	# A room holds 25.
	links+=("$(ROOM=room-$((number % 5)) call_about "$number.bin" | jq -r .evidence_link)")
done
expect "links" "$COUNT" "$(printf '%s\n' "${links[@]}" | sort -u | grep -c "/e/")"
# The agents take the files once their standard input ends.
mkfifo "$STACK/go"
"$agent" many "${links[@]}" <"$STACK/go" >"$STACK/many.json" 2>"$STACK/log/many.err" &
many=$!
exec 7>"$STACK/go"
peers_are() { [ "$(api GET /v1/evidence/peers | jq length)" = "$1" ]; }
wait_until 60 peers_are "$COUNT"
expect "channels open at once" "$COUNT" "$(api GET /v1/evidence/peers | jq length)"
expect "a message to all" "$COUNT" \
	"$(api POST /v1/evidence/messages '{"message":{"text":"read this first"}}' | jq '.peers | length')"
exec 7>&-
wait "$many"
expect "files of their own calls" "{\"verified\":$COUNT}" "$(jq -c . "$STACK/many.json")"
wait_log "$COUNT" '.event == "EVIDENCE_VERIFIED"'
hashes=$(sha256sum "$STACK/evidence"/*.bin | cut -d ' ' -f 1 | sort)
expect "hashes in the log" "$hashes" \
	"$(log_entries | jq -r 'select(.event == "EVIDENCE_SENT") | .evidence.sha256' | sort -u)"
expect "UDP ports of the bridge" 1 "$(ss -Hlunp | grep -c "pid=$(proc_pid bridge),")"
expect_alive
