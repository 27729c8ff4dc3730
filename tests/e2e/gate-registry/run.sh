#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start
csv=$STACK/calls.csv
signed_csv "$csv" 403/registry council-2026a "mallory@elsewhere.example" "$SAFETY" safety
signed_csv "$csv" 403/registry council-2026a "$COUNCIL" "nobody@elsewhere.example" safety
signed_csv "$csv" 403/registry council-2026a "$COUNCIL" "$COUNCIL" safety
signed_csv "$csv" 403/registry safety-2026a "$SAFETY" "$ETHICS" safety
signed_csv "$csv" 404/registry safety-2026a "$SAFETY" "cellar@council.example" safety
expect_ok "calls placed" stack_calls registry uac "$csv"
expect_calls registry "$csv"
expect_alive
