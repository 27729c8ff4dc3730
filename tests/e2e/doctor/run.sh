#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/hosts.sh"

# The bridge's unit allows more than a shell.
ulimit -n 8192 2>/dev/null || true
API_PORT=$(siptool ports 1 16000 16999)
LISTEN_MORE=", tcp: {address: \"127.0.0.1:$API_PORT\", token_file: token}"
head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$STACK/token"
chmod 600 "$STACK/token"
start_with_bridge
cp "$IFE_ROOT/kamailio.cfg" "$STACK/kamailio.cfg"
chmod 600 "$STACK"/keys/*.key

doctor() {
	ifectl doctor --registry "$STACK/registry.yaml" --bridge-config "$STACK/bridge.yaml" \
		--dispatcher "$STACK/dispatcher.list" \
		--tls-config "$STACK/tls.cfg" --kamailio-config "$STACK/kamailio.cfg" \
		--state-dir "$STATE" --log "${LOG_DIR:-$STACK/witness}" \
		--keys "$STACK/keys" \
		--kamailio "127.0.0.1:$RPC_PORT" --bridge "unix:$STACK/bridge.sock" "$@"
}
# findings: "level check: what" of each. The clock is the host's own.
findings() {
	doctor --json "$@" >"$STACK/doctor.json"
	jq -r '.lines[] | select(.level == "error" or .level == "warning" or .level == "unseen") |
		select(.check != "clock")
		| .level + " " + .check + ": " + .what' "$STACK/doctor.json"
}
# finds PATTERN [DOCTOR ARG ...]: one of the findings is so, and has a step to take.
finds() {
	local pattern=$1 found
	shift
	found=$(findings "$@")
	grep -qE "$pattern" <<<"$found" || fail "no /$pattern/ among: $found"
	expect "findings without advice" 0 \
		"$(jq '[.lines[] | select(.level == "error" or .level == "warning") | select(.do == null)] | length' "$STACK/doctor.json")"
}
fine() { [ -z "$(findings)" ]; }

# The newest entry of a fresh log, the first probes of Asterisk: within a moment all is well.
wait_until 30 fine
expect "findings on a healthy host" "" "$(findings)"
for check in versions files "witness log" kamailio bridge registry ports limits; do
	expect "the check $check" ok \
		"$(jq -r --arg check "$check" '[.lines[] | select(.check == $check) | .level][0]' \
		"$STACK/doctor.json")"
done
doctor >"$STACK/doctor.txt"
code=$?
expect "exit code and answer agree" "$code" \
	"$(jq '{"ok": 0, "findings": 1, "unanswered": 3}[.answer]' "$STACK/doctor.json")"
grep -qE '^ok +kamailio +mode enforce' "$STACK/doctor.txt" ||
	fail "no line about Kamailio: $(cat "$STACK/doctor.txt")"

# Metrics that alerts and dashboard name.
curl -s --noproxy '*' --max-time 10 "http://127.0.0.1:$HTTP_PORT/metrics" >"$STACK/kamailio.metrics"
api GET /metrics >"$STACK/bridge.metrics"
jq -rf "$IFE_ROOT/docs/examples/prometheus/witnessd.jq" "$STATE/witnessd.json" \
	>"$STACK/witness.metrics"
expect_ok "names of metrics" "$IFE_ROOT/tests/prometheus/run.py" names \
	"$STACK"/{kamailio,bridge,witness}.metrics "$IFE_ROOT/crates/ife-bridge/src/metrics.rs"
expect_fails "names without the bridge's" "no metric ife_bridge_ami_up" \
	"$IFE_ROOT/tests/prometheus/run.py" names "$STACK"/{kamailio,witness}.metrics
expect "metrics of the bridge without HELP" "" \
	"$(awk '$2 == "TYPE" { type[$3] } $2 == "HELP" { help[$3] = $4 } END { for (name in type) if (help[name] == "") print name }' "$STACK/bridge.metrics")"
for name in $(sed -nE 's/^kamailio_if_escalate_(\w+) .*/\1/p' "$STACK/kamailio.metrics"); do
	sed -n '/^## Statistics/,/^## Event/p' "$IFE_ROOT/docs/kamailio.md" | contains -w "$name" ||
		fail "docs/kamailio.md does not say what the statistic $name counts"
done

# Absent parts are skipped, and a run that skips all is no answer.
expect "a host without any of it" 3 \
	"$(ifectl doctor --registry /nowhere --bridge-config /nowhere --dispatcher /nowhere \
	--tls-config /nowhere --kamailio-config /nowhere \
	--state-dir /nowhere --log /nowhere --keys /nowhere --kamailio 127.0.0.1:9 \
	--bridge unix:/nowhere \
	>/dev/null 2>&1; echo $?)"

ports_of_a_running_bridge
names_of_hosts

# A key that everybody can read.
chmod 644 "$STACK/keys/safety-2026a.key"
finds '^error files: .*/keys/safety-2026a.key: mode 0644: users beside its owner can read'
expect "exit code with findings" 1 "$(doctor >/dev/null 2>&1; echo $?)"
chmod 600 "$STACK/keys/safety-2026a.key"

# A key of the registry that has expired, in a file that is not in force; then in force.
cp "$STACK/registry.yaml" "$STACK/registry.good"
sed -i -E 's/(kid: safety-2026a, .*covers: \[base\])\}/\1, not_after: 2026-01-01T00:00:00Z}/' \
	"$STACK/registry.yaml"
finds '^error registry: expert expert-safety@external.advisor: key safety-2026a expired 2026-01-01'
finds '^error registry: the file is not what Kamailio has in force \(generation 1\)'
rpc ife.reload >/dev/null
findings | contains 'not what Kamailio has in force' &&
	fail "a registry in force is told as one that is not"
cp "$STACK/registry.good" "$STACK/registry.yaml"
rpc ife.reload >/dev/null
echo "nonsense: [" >"$STACK/registry.yaml"
finds '^error registry: it cannot be used: .*registry.yaml'
cp "$STACK/registry.good" "$STACK/registry.yaml"

# A certificate of ten days.
openssl req -x509 -newkey ed25519 -nodes -keyout "$STACK/short.key" -out "$STACK/short.pem" -days \
	10 -subj /CN=gateway.example 2>/dev/null
finds '^warning certificates: .*/short.pem: given by --certificate, CN=gateway.example, expires ' \
	--certificate "$STACK/short.pem"
expect "with fewer days" "" "$(findings --certificate "$STACK/short.pem" --days 5)"

# The parts end.
proc_stop witnessd
finds '^error witness log: ife-witnessd was stopped'
proc_stop bridge
finds '^error bridge: it does not answer: '
ports_of_a_stopped_bridge
proc_stop kamailio
finds '^error kamailio: no answer to JSON-RPC at '
ports_of_a_stopped_kamailio
