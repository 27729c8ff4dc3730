#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# One address calls more often than the ban table allows.
PIKE_DENSITY=1000000
[ "$(id -u)" = 0 ] || die "this case mounts a small file system: run it as root"
disk=$STACK/disk
mkdir -p "$disk"
mount -t tmpfs -o size=256m if-escalate-disk "$disk" || die "cannot mount a tmpfs"
LOG_DIR=$disk/log
EXTRA_CLEANUP='umount "$disk"'

fill_disk() { dd if=/dev/zero of="$disk/filler" bs=64k status=none 2>/dev/null; }

# refused_at_end NAME: the last calls were refused, none failed in another way.
refused_at_end() {
	expect "codes of $1" "" \
		"$(jq -r 'select(.code != 200 and .code != 503) | .code' "$STACK/captures/$1.outcomes")"
	expect "the last call of $1" 503 "$(tail -n 1 "$STACK/captures/$1.outcomes" | jq .code)"
}

place() { # NAME COUNT SIPP-ARGS: calls that should pass, or be refused for want of a witness
	signed_csv "$STACK/$1.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count "$2"
	expect_ok "calls $1" stack_calls "$1" uac "$STACK/$1.csv" "${@:3}"
}

start -A WITNESS_WAIT_MS=500
place before 20
expect_calls before "$STACK/before.csv"

fill_disk
place reserve 100 -r 50
refused_at_end reserve
proc_alive witnessd || fail "ife-witnessd has ended although it keeps a reserve"
rm "$disk/filler"
# With the first batch on disk every worker admits calls again, at once.
wait_until 10 witnessd_says running || fail "ife-witnessd does not go on by itself"
place again 20
expect_calls again "$STACK/again.csv"

# Without the reserve a write fails.
proc_stop witnessd
stack_start_witnessd --min-free-mib 0
fill_disk
place none-left 600 -r 100
refused_at_end none-left
wait_until 10 proc_gone witnessd
proc_alive witnessd && fail "ife-witnessd goes on after a failed write"
expect_ok "ife-witnessd says why it ended" grep -qi 'no space left' "$STACK/log/witnessd.log"
rm "$disk/filler"
stack_start_witnessd
place after 20
expect_calls after "$STACK/after.csv"

# A start on a full disk logs the reason and waits. A publication that finds no room ends it with 1,
# and systemd starts it again.
proc_stop witnessd
fill_disk
mv "$STACK/log/witnessd.log" "$STACK/log/witnessd-1.log"
stack_run_witnessd
expect_ok "ife-witnessd is stalled" wait_until 15 witnessd_says stalled
expect_ok "the log names the full disk" grep -q 'the disk is nearly full' "$STACK/log/witnessd.log"
wait_until 3 proc_gone witnessd
rm "$disk/filler"
proc_alive witnessd || stack_run_witnessd
expect_ok "ife-witnessd goes on" wait_until 15 witnessd_ready

expect_ledger before reserve again none-left after
expect_alive
verify_by_all
