#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# One address calls more often than the ban table allows.
PIKE_DENSITY=1000000
# witnessd_on LOG_DIR: in the foreground; it should end by itself.
witnessd_on() {
	timeout 20 "$IFE_BIN/ife-witnessd" --log-dir "$1" --state-dir "$STATE" \
		--origin witness.example/escalate --node node1 \
		--key "$STACK/keys/witness.key" --cosigner-key "$STACK/keys/cosigner.key" \
		--vkey-out "$STACK/vkey.second"
}

start
wait_log 5 '.event == "START"'
cp -a "$STACK/witness" "$STACK/older"
signed_csv "$STACK/calls.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 300
expect_ok "calls" stack_calls calls uac "$STACK/calls.csv" -r 100
wait_log 300 '.event == "BYE"'

expect_fails "a second ife-witnessd" "lock|owned|another|in use" witnessd_on "$STACK/witness"

# Kamailio: bad registry, state directory on a disk.
proc_stop kamailio
cp "$STACK/registry.yaml" "$STACK/good.yaml"
sed -i 's/hazards: \[ethics\]/hazards: []/' "$STACK/registry.yaml"
kamailio_args
refuses_to_start() {
	timeout 20 kamailio -DD -E -f "$IFE_ROOT/kamailio.cfg" -Y "$STACK/kamailio-run" -m 64 -M 8 \
		"${KAMAILIO_ARGS[@]}"
}
expect_fails "a bad registry" 'registry.yaml:[0-9]+:[0-9]+' refuses_to_start
cp "$STACK/good.yaml" "$STACK/registry.yaml"
on_disk=$STACK/state-on-disk
mkdir -p "$on_disk"
if [ "$(stat -f -c %T "$on_disk")" != tmpfs ]; then
	kamailio_args -A "STATE_DIR=\"$on_disk\""
	expect_fails "a state directory on a disk" tmpfs refuses_to_start
fi

# ife-witnessd: damaged copies of the log. Each is a log of its own, so that one damage does not
# hide another.
proc_stop witnessd
damaged() {
	rm -rf "$STACK/damaged"
	cp -a "$STACK/witness" "$STACK/damaged"
}
damaged
wal=$(find "$STACK/damaged/private/wal" -name '*.wal' | sort | head -n 1)
printf '\377' | dd of="$wal" bs=1 seek=200 conv=notrunc status=none
expect_fails "a bad frame below the signed size" \
	"$(basename "$wal").*offset|offset.*$(basename "$wal")" witnessd_on "$STACK/damaged"

damaged
wal=$(find "$STACK/damaged/private/wal" -name '*.wal' | sort | head -n 1)
truncate -s 300 "$wal"
expect_fails "a cut WAL" "$(basename "$wal")" witnessd_on "$STACK/damaged"

damaged
rm "$STACK/damaged/private/checkpoint.signed"
expect_fails "a public checkpoint ahead of the private one" "checkpoint" witnessd_on \
	"$STACK/damaged"

expect_fails "an older copy of the log" "rolled back|older|behind" witnessd_on "$STACK/older"

damaged
printf '\377' | dd of="$STACK/damaged/tile/0/000" bs=1 seek=5 conv=notrunc status=none
expect_fails "a changed tile found by verify" "tile/0/000" ifectl witness verify \
	--log "$STACK/damaged" --vkey "$STACK/witness.vkey"

# The undamaged log starts.
stack_start_witnessd
