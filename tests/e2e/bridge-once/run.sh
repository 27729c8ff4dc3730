#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"

CALLS=40

NO_EXPERT=1 start_with_bridge
proc_stop bridge
orders() { python3 "$CASE_DIR/orders.py" "$GATEWAY_IP" "$(cat "$TESTBED/ami-secret")" "$@"; }
note() { asterisk_cli gateway database get ife-call "$1" | sed -n 's/^Value: //p'; }
place() { asterisk_cli gateway database get ife-slot "$1" | sed -n 's/^Value: //p'; }
entries() { asterisk_cli gateway database show "$1" | grep -c "^/$1/$2"; }
entries_are() { [ "$(entries "$1" "$2")" = "$3" ]; }

# Two bridges at once.
expect "calls with one phone dialled and one refusal" "$CALLS" "$(orders race "$CALLS")"
expect "notes" "$CALLS" "$(entries ife-call '')"
expect_ok "each has a place" wait_until 10 entries_are ife-slot '[0-9]' "$CALLS"

# In turn: bridge, number of the expert, note that is taken over.
call=00000000000000aa
expect "the first bridge" dialled "$(orders one "$call" east 1 '')"
expect "another one" refused "$(orders one "$call" west 1 '')"
expect "the first one goes on" dialled "$(orders one "$call" east 2 '')"
expect "another one with an old note" refused "$(orders one "$call" west 2 east:1)"
expect "another one with the note" dialled "$(orders one "$call" west 3 east:2)"
expect "its note" west:3 "$(note "$call")"
expect "the first one, that was only slow" refused "$(orders one "$call" east 3 '')"
expect "its note is still" west:3 "$(note "$call")"
expect "an order without a call" refused "$(orders one '' east 1 '')"

# The ring of 10,000: the next place is that of the call before.
expect_ok "one place for the call" wait_until 10 entries_are ife-slot '[0-9]' $((CALLS + 1))
asterisk_cli gateway database put ife-slot next $(($(place next) - 1)) >/dev/null
expect "a call that takes the place" dialled "$(orders one 00000000000000bb east 1 '')"
gone() { [ -z "$(note "$1")" ]; }
expect_ok "the note that had it is gone" wait_until 10 gone "$call"
expect "the new note" east:1 "$(note 00000000000000bb)"
asterisk_cli gateway database put ife-slot next 9999 >/dev/null
expect "a call at the end of the ring" dialled "$(orders one 00000000000000cc east 1 '')"
first_is() { [ "$(place 0)" = "$1" ]; }
expect_ok "the ring begins again" wait_until 10 first_is 00000000000000cc
expect_channels gateway 0
expect_alive
