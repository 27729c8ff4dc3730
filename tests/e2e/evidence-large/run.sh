#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../bridge.sh"
. "$(dirname "$0")/../evidence.sh"

MIB=500
agent=$(evidence_agent) || die "the agent cannot be built"
head -c 3000000 /dev/urandom >"$STACK/evidence/small.bin"
# Mostly a hole, so that it takes no disk; no two blocks of 64 MiB begin alike.
truncate -s "${MIB}M" "$STACK/evidence/large.bin"
for at in $(seq 0 64 "$((MIB - 1))"); do
	dd if=/dev/urandom of="$STACK/evidence/large.bin" bs=1M seek="$at" count=1 conv=notrunc status=none
done
start_with_evidence
drain() { timeout 200 "$agent" drain "$(call_about "$1" | jq -r .evidence_link)"; }
high_water_kib() { awk '/^VmHWM/ {print $2}' "/proc/$(proc_pid bridge)/status"; }

expect "a small file first" 3000000 "$(drain small.bin | jq .bytes)"
before=$(high_water_kib)
seen=$(drain large.bin)
expect "bytes, verified" "$((MIB * 1024 * 1024))" "$(jq .bytes <<<"$seen")"
grown=$(($(high_water_kib) - before))
[ "$grown" -le 8192 ] || fail "the bridge's memory grew by $grown KiB"
note "${MIB} MiB at $(jq .mib_per_s <<<"$seen" | cut -c 1-5) MiB/s, $grown KiB more memory"
expect_alive
