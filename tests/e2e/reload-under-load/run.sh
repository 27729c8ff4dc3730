#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# One address calls more often than the ban table allows.
PIKE_DENSITY=1000000
start
cp "$STACK/registry.yaml" "$STACK/good.yaml"
sed 's/hazards: \[safety, alignment\]/hazards: []/' "$STACK/good.yaml" >"$STACK/bad-empty.yaml"
sed 's/^    quota: .*/&\n    colour: blue/' "$STACK/good.yaml" >"$STACK/bad-field.yaml"
head -c 300 "$STACK/good.yaml" >"$STACK/bad-cut.yaml"
sed "s|$COUNCIL_NET|${COUNCIL_NET%/*}/99|" "$STACK/good.yaml" >"$STACK/bad-cidr.yaml"

# use FILE: replaced by rename, as an editor or a deployment tool does.
use() { cp "$1" "$STACK/registry.new" && mv "$STACK/registry.new" "$STACK/registry.yaml"; }

signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 600
load_begin reload uac "$STACK/calls.csv" -r 60
rounds=0 before=$(rpc ife.status | jq .registry_generation)
while kill -0 "$LOAD_PID" 2>/dev/null && [ "$rounds" -lt 200 ]; do
	for bad in bad-empty bad-field bad-cut bad-cidr; do
		use "$STACK/$bad.yaml"
		expect_fails "reload of $bad" 'registry.yaml:[0-9]+:[0-9]+' rpc ife.reload
		use "$STACK/good.yaml"
		expect_ok "reload of a good registry" rpc ife.reload
		rounds=$((rounds + 1))
	done
done
load_end || fail "calls failed during reloads"
[ "$rounds" -ge 8 ] || fail "only $rounds reloads while calls came in"
expect_calls reload "$STACK/calls.csv"
expect_ledger reload
after=$(rpc ife.status | jq .registry_generation)
expect "one generation per good reload" "$rounds" $((after - before))
expect "failed reloads counted" "$rounds" "$(rpc ife.stats | jq .reload_failures)"
wait_log "$rounds" '.event == "RELOAD"'

# And a change takes effect.
sed 's/    hazards: \[safety, alignment\]/&\n    status: suspended/' "$STACK/good.yaml" \
	>"$STACK/less.yaml"
use "$STACK/less.yaml"
expect_ok "reload" rpc ife.reload
signed_csv "$STACK/less.csv" 403/standing council-2026a "$COUNCIL" "$SAFETY" safety
expect_ok "call after the change" stack_calls less uac "$STACK/less.csv"
expect_calls less "$STACK/less.csv"
expect_alive
