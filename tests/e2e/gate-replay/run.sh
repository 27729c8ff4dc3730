#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

start
signed_csv "$STACK/first.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety
sed 's|;200$|;403/replay|' "$STACK/first.csv" >"$STACK/again.csv"
expect_ok "first" stack_calls first uac "$STACK/first.csv"
expect_ok "again" stack_calls again uac "$STACK/again.csv"
expect_ok "again from another port" stack_calls port uac "$STACK/again.csv" -p "$SPARE_PORT"
expect_calls first "$STACK/first.csv"
expect_calls again "$STACK/again.csv"
expect_calls port "$STACK/again.csv"

proc_stop kamailio
stack_start_kamailio
expect_ok "again after a restart" stack_calls restarted uac "$STACK/again.csv"
expect_calls restarted "$STACK/again.csv"
expect_alive
