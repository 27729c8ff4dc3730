#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

[ "$(id -u)" = 0 ] || die "this case mounts a small file system: run it as root"
disk=$STACK/disk
mkdir -p "$disk"
mount -t tmpfs -o size=128m if-escalate-disk "$disk" || die "cannot mount a tmpfs"
unmount_disk() {
	proc_stop witnessd
	umount "$disk"
}
trap 'rc=$?; LOG_VERIFY_DONE=1; unmount_disk; (exit $rc); finish' EXIT
LOG_DIR=$disk/log
start
signed_csv "$STACK/before.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 20
expect_ok "calls before" stack_calls before uac "$STACK/before.csv"
expect_calls before "$STACK/before.csv"

dd if=/dev/zero of="$disk/filler" bs=64k >/dev/null 2>&1
# Preallocated log space may take some more entries: calls go on until the witness gives up.
signed_csv "$STACK/during.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 600
load_begin during uac "$STACK/during.csv" -r 100
load_end || fail "calls failed that should have been answered or refused"
refused=$(jq -s 'map(select(.code == 503)) | length' "$STACK/captures/during.outcomes")
[ "$refused" -ge 1 ] || fail "no call was refused although the disk is full"
expect "last call while the disk is full" 503 "$(tail -n 1 "$STACK/captures/during.outcomes" | jq .code)"
proc_gone witnessd || fail "ife-witnessd goes on after a failed write"
expect_ok "ife-witnessd says why it ended" grep -qi 'no space left' "$STACK/log/witnessd.log"
expect_alive

rm "$disk/filler"
stack_start_witnessd
signed_csv "$STACK/after.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 20
expect_ok "calls after" stack_calls after uac "$STACK/after.csv"
expect_calls after "$STACK/after.csv"
expect_ledger before during after
expect_alive
verify_by_all
