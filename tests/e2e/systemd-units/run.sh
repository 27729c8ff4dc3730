#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$IFE_ROOT/tests/e2e/netns.sh"
. "$IFE_ROOT/tests/e2e/machine.sh"
# shellcheck source=SCRIPTDIR/machine.sh
. "$CASE_DIR/machine.sh"

LOG=/var/lib/if-escalate/witness
KEYS=/var/lib/if-escalate/keys
STORE=/var/lib/if-escalate/bridge
declare -A EXPOSURE_MAX=([ife-witnessd]=15 [ife-bridge]=25)
UNITS=(ife-witnessd kamailio ife-bridge)

# The log as it is read from outside of the machine.
LOG_DIR=$WORK/machine/lib/if-escalate/witness

owner() { in_machine stat -c '%U:%G %a' "$1"; }

expect_active() {
	local unit
	for unit in "$@"; do
		wait_until 30 unit_is "$unit" active || {
			fail "$unit is $(state_of "$unit")"
			machine_journal "$unit"
		}
	done
}

# What each unit needs and nothing else has: written by the users of the units, closed to the
# other's.
expect_owners() {
	local file
	expect "$1: log" "ife-witness:if-escalate 750" "$(owner "$LOG")"
	expect "$1: private part of the log" 700 "$(in_machine stat -c %a "$LOG/private")"
	expect "$1: keys' directory" "ife-witness:if-escalate 750" "$(owner "$KEYS")"
	for file in witness.key cosigner.key; do
		expect "$1: $file" "ife-witness 600" "$(in_machine stat -c '%U %a' "$KEYS/$file")"
		expect_fails "$1: the bridge's user reads $file" "Permission denied" as_user ife-bridge cat \
			"$KEYS/$file"
	done
	expect "$1: store" "ife-bridge:if-escalate 750" "$(owner "$STORE")"
	expect "$1: files of the log that are another's" "" \
		"$(in_machine find "$LOG" "$KEYS" ! -user ife-witness)"
	expect "$1: files of the store that are another's" "" \
		"$(in_machine find "$STORE" ! -user ife-bridge)"
}

# A refused call of a stranger is an entry of Kamailio's. It is published when a reader finds it.
expect_published() {
	local call_id=$1@machine
	FROM=stranger@elsewhere.example raw_request "$STACK/$1.sip" INVITE "$call_id" \
		'{"trace_id": "trace-of-a-stranger", "hazard": "safety", "signature": "none"}'
	in_machine_net python3 "$IFE_ROOT/scripts/lib/siptool.py" send 192.0.2.5 5060 --source 192.0.2.5 \
		"$STACK/$1.sip" >"$STACK/$1.replies"
	expect "$1: refused by the gate" 400 \
		"$(jq -s -r 'map(select(.code >= 200)) | .[0].code // "none"' "$STACK/$1.replies")"
	wait_until 30 log_has 1 ".call_id == \"$call_id\" and .event == \"REJECTED\"" ||
		fail "$1: no entry is published"
	cp "$WORK/machine/lib/if-escalate/keys/witness.vkey" "$STACK/witness.vkey"
	stack_verify_quietly
}

machine_tree
machine_start
expect_ok "the first start of the log" in_machine systemctl start ife-witnessd-init
expect_ok "the units start" in_machine systemctl enable --now "${UNITS[@]}"
expect_active "${UNITS[@]}"
expect_owners "first start"
expect_published first

for order in "ife-witnessd ife-bridge" "ife-bridge ife-witnessd" "ife-witnessd ife-bridge"; do
	for unit in $order; do
		expect_ok "restart of $unit ($order)" in_machine systemctl restart "$unit"
	done
	expect_active "${UNITS[@]}"
	expect_owners "restarted: $order"
done
expect_published restarted

# Stopped and started as a whole, in the order of the units.
expect_ok "the units stop" in_machine systemctl stop "${UNITS[@]}"
for unit in "${UNITS[@]}"; do expect "$unit stopped" "success inactive" "$(state_of "$unit")"; done
expect_ok "the units start again" in_machine systemctl start "${UNITS[@]}"
expect_active "${UNITS[@]}"
expect_owners "stopped and started"
expect_published again

expect "complaints of permissions in the journal" "" \
	"$(in_machine journalctl -o cat | grep -iE 'permission denied|not permitted|EACCES|EPERM' |
	grep -E 'ife|kamailio')"

# systemd's own opinion of the units: errors of syntax, and how open the sandbox is (0 to 10, in
# tenths).
expect "systemd-analyze verify" "" \
	"$(in_machine systemd-analyze verify --man=no "${UNITS[@]/%/.service}" 2>&1)"
for unit in ife-witnessd ife-bridge; do
	expect_ok "systemd-analyze security $unit" in_machine systemd-analyze security --offline=true \
		--threshold="${EXPOSURE_MAX[$unit]}" "$unit.service"
done

# A killed unit is started again; so is one that a fault of the host ends, with 1.
for unit in ife-witnessd ife-bridge; do
	pid=$(in_machine systemctl show -P MainPID "$unit")
	in_machine systemctl kill -s KILL --kill-whom=main "$unit"
	wait_until 30 started_again "$unit" "$pid" ||
		fail "$unit is not started again: $(state_of "$unit")"
done
expect_owners "killed"

# Faults of the host end a program with 1, and are tried again until a person has mended them: here
# a file that root has taken.
in_machine systemctl stop ife-bridge ife-witnessd
in_machine chown root: "$LOG/private/checkpoint.signed" /etc/if-escalate/bridge-2026a.key
in_machine systemctl start --no-block ife-bridge ife-witnessd
for unit in ife-witnessd ife-bridge; do
	# More often than systemd's default of five starts in ten seconds.
	wait_until 60 restarted_often "$unit" 7 ||
		fail "$unit was restarted $(restarts "$unit") times: $(state_of "$unit")"
	expect "exit code of $unit" 1 "$(last_exit "$unit")"
done
in_machine chown ife-witness: "$LOG/private/checkpoint.signed"
in_machine chown ife-bridge: /etc/if-escalate/bridge-2026a.key
expect_active "${UNITS[@]}"

# Evidence is not tried again: the log is gone that the key has signed.
in_machine systemctl stop ife-witnessd
in_machine mv "$LOG" "$LOG.away"
in_machine systemctl start ife-witnessd 2>/dev/null &&
	fail "ife-witnessd starts without the log that its key has signed"
sleep 2
expect "a refusal" "exit-code failed" "$(state_of ife-witnessd)"
expect "exit code of a refusal" 3 "$(last_exit ife-witnessd)"
expect "restarts after a refusal" 0 "$(restarts ife-witnessd)"
in_machine rmdir "$LOG"
in_machine mv "$LOG.away" "$LOG"
expect_ok "the log is back" in_machine systemctl start ife-witnessd
expect_active "${UNITS[@]}"
expect_published finally
