#!/usr/bin/env bash
. "$(dirname "$0")/../lib.sh"

# One address calls more often than the ban table allows.
PIKE_DENSITY=1000000
[ "$(id -u)" = 0 ] || die "this case changes users: run it as root"
# As docs/operations.md sets it up: the group enters, what is made gets the group, nobody removes
# what is another's.
chgrp nogroup "$STATE"
chmod 3770 "$STATE"
chown nobody "$STACK/kamailio-run"
umask 0007
owner() { stat -c %U "$STATE/$1"; }

# A first start as root leaves files of root.
start
chmod 644 "$STACK/registry.yaml"
expect "owner of the state" root "$(owner shared.bin)"
proc_stop kamailio
for name in once again; do
	stack_start_kamailio -u nobody -g nogroup
	expect "worker's user, $name" nobody \
		"$(ps -o user= --ppid "$(proc_pid kamailio)" | sort -u | xargs)"
	for file in shared.bin shared.lock registry.lock rings/kamailio-1.ring; do
		expect "owner of $file, $name" nobody "$(owner "$file")"
	done
	signed_csv "$STACK/$name.csv" 200 council-2026a "$COUNCIL" "$SAFETY" safety --count 20
	expect_ok "calls $name" stack_calls "$name" uac "$STACK/$name.csv"
	expect_calls "$name" "$STACK/$name.csv"
	generation=$(rpc ife.status | jq .registry_generation)
	rpc ife.reload >/dev/null || fail "ife.reload is refused, $name"
	expect "generation after the reload, $name" $((generation + 1)) \
		"$(rpc ife.status | jq .registry_generation)"
	expect_alive
	proc_stop kamailio
done
