#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start
csv=$STACK/calls.csv
signed_csv "$csv" 403/hazard council-2026a "$COUNCIL" "$SAFETY" ethics
signed_csv "$csv" 403/hazard council-2026a "$COUNCIL" "$SAFETY" weather
signed_csv "$csv" 200 council-2026a "$COUNCIL" "$SAFETY" alignment
expect_ok "calls placed" stack_calls hazard uac "$csv"
expect_calls hazard "$csv"
expect_alive
