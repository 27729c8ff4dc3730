#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"

head -c 24M /dev/urandom >"$STACK/evidence/recording.bin"
echo '# What the council saw' >"$STACK/evidence/notes.md"
KEYS="guardian-1 guardian-2" start_with_evidence

# configured ADMISSION_S: the guardians of the case, and the time of an admission.
configured() {
	local guardians="" name
	for name in guardian-1 guardian-2; do
		guardians+="${guardians:+, }{name: $name, section: mcu-7f3a, public_key: \"${PUBLIC[$name]}\"}"
	done
	GUARDIANS=$guardians bridge_config |
		sed "s/^council:\$/&\n  admission_s: $1/" >"$STACK/bridge.yaml"
}

request() { python3 "$IFE_ROOT/tests/e2e/guardian.py" "$STACK/keys/$1.key" "${@:2}"; }
# admit GUARDIAN ROOM [PII]: the link to the call's evidence, if there is one.
admit() {
	api POST /v1/guardians/admissions "$(request "$1" admission "$2" "${3:-false}")" |
		jq -r '.reject_reason // .evidence[0].evidence_link // empty'
}
ask() {
	api POST /v1/guardians/evidence "$(request "$1" evidence council)" |
		jq -r '.code // .evidence[0].evidence_link'
}
redeem() {
	curl -s -o /dev/null -w '%{http_code}' -X POST -H "Authorization: Bearer ${1#*#}" "${1%%#*}/redeem"
}
# enter LINK: the cookie of its session.
enter() {
	curl -s -D - -o /dev/null -X POST -H "Authorization: Bearer ${1#*#}" "${1%%#*}/redeem" |
		sed -nE 's/^[Ss]et-[Cc]ookie: ([^;]*);.*/\1/p' | tr -d '\r'
}
# state COOKIE LINK: the status of the session, and whose it is.
state() {
	curl -s -w ' %{http_code}\n' -H "Cookie: $1" "${2%%#*}/state" |
		sed -E 's/^.*"viewer":"([^"]*)".* ([0-9]+)$/\1 \2/; t; s/^.* //'
}
state_is() { [ "$(state "$2" "$3")" = "$1" ]; }

configured 300
proc_stop bridge
bridge_start
answer=$(call_about recording.bin notes.md)
call=$(jq -r .call_id <<<"$answer") expert=$(jq -r .evidence_link <<<"$answer")
expect_call "$call" connected
experts=$(enter "$expert")

# Another room ends the session and the link of the room before.
one=$(admit guardian-1 council) two=$(admit guardian-2 council)
own=$(enter "$one")
unused=$(ask guardian-1)
expect "a guardian's session" "if://guardian/guardian-1 200" "$(state "$own" "$one")"
expect "a link of a room without calls" "" "$(admit guardian-1 hearing)"
expect "the session of the room before" 401 "$(state "$own" "$one")"
expect "its unused link" 401 "$(redeem "$unused")"
expect "a request for the room before" NOT_FOUND "$(ask guardian-1)"
others=$(enter "$two")
expect "the other guardian's" "if://guardian/guardian-2 200" "$(state "$others" "$two")"

# Sessions and links outlive the bridge.
one=$(admit guardian-1 council)
own=$(enter "$one")
unused=$(ask guardian-2)
proc_kill bridge
bridge_start
expect_call "$call" connected
expect "a session after the restart" "if://guardian/guardian-1 200" "$(state "$own" "$one")"
expect "the other's" "if://guardian/guardian-2 200" "$(state "$others" "$two")"
expect "the expert's" 200 "$(state "$experts" "$expert" | grep -o '[0-9]*$')"
expect "a used link" 409 "$(redeem "$one")"
newer=$(enter "$unused")
expect "a link of before" "if://guardian/guardian-2 200" "$(state "$newer" "$unused")"
expect "the session that it replaces" 401 "$(state "$others" "$two")"
expect "withdrawn after the restart" PII_POLICY_VIOLATION "$(admit guardian-1 council true)"
expect "the session of before" 401 "$(state "$own" "$one")"
expect "the other's after a withdrawal" "if://guardian/guardian-2 200" "$(state "$newer" "$unused")"

# The time passes: of a session that is connected, and of an unused link.
proc_stop bridge
configured 20
bridge_start
expect_call "$call" connected
one=$(admit guardian-1 council) two=$(admit guardian-2 council)
of_the_other() {
	api GET "/v1/calls/$call" |
		jq -r '.guardian_evidence[] | select(.guardian == "guardian-2").evidence_state'
}
expect "the other's link" offered "$(of_the_other)"
cd "$STACK/received" || die "no place for files"
timeout 100 "$IFE_BIN/ifectl" evidence receive --to one "$one" \
	>"$STACK/log/one.out" 2>"$STACK/log/one.err" &
receiver=$!
some_of_it() { [ "$(stat -c %s one/.receiving-0 2>/dev/null || echo 0)" -gt 1000000 ]; }
wait_until 15 some_of_it || fail "the guardian receives nothing: $(cat "$STACK/log/one.err")"
child=$(pgrep -P "$receiver" ifectl || echo "$receiver")
kill -STOP "$child"
over='.event == "EVIDENCE_FAILED" and .evidence.error == "admission_over"'
wait_until 60 log_has 1 "$over"
expect_log 1 "$over and .guardian == \"guardian-1\""
kill -CONT "$child"
wait "$receiver"
expect "the exit code of a receiver whose admission is over" 1 "$(($? > 0))"
lapsed() { [ -z "$(of_the_other)" ]; }
wait_until 60 lapsed || fail "the other's link has not ended"
expect "a link whose time is over" 401 "$(redeem "$two")"
expect "a used link whose time is over" 401 "$(redeem "$one")"
expect "a request for another" NOT_FOUND "$(ask guardian-2)"

# It passes while there is no bridge.
proc_stop bridge
configured 2
bridge_start
one=$(admit guardian-1 council)
own=$(enter "$one")
proc_kill bridge
sleep 3
bridge_start
wait_until 20 state_is 401 "$own" "$one"
expect "a session whose time passed without a bridge" 401 "$(state "$own" "$one")"
expect_call "$call" connected
expect "the expert's session at the end" 200 "$(state "$experts" "$expert" | grep -o '[0-9]*$')"
expect_alive
