# Sourced by the part `packages` after the cases' libraries: a Debian under a real systemd, and all
# that an operator does with the packages there, from the installation to the purge.
# shellcheck shell=bash

OUT=$IFE_TARGET/packages
CFG=/etc/kamailio/kamailio.cfg
PROXY_PACKAGES=(if-escalate-common libife-policy kamailio-if-escalate-modules ife-witnessd ifectl)
GATEWAY_PACKAGES=(ife-bridge if-escalate-asterisk)
OLD=1.0.0 NEW=1.0.1

# one_suite SUITE: each step is a line of the results.
one_suite() {
	local suite=$1
	SUITE=$suite
	LOG_DIR=$MACHINE/upper/var/lib/if-escalate/witness
	rm -rf "$MACHINE" "$STACK"/keys/* "$STACK"/log/*
	mkdir -p "$MACHINE/debs"
	cp -l "$OUT"/{$OLD,$NEW}/*.deb "$OUT/$suite"/{$OLD,$NEW}/*.deb "$IFE_BIN/witness_feed" \
		"$MACHINE/debs/"
	machine_boot "$IFE_ROOT/tests/packages/root.sh" "$OUT/root-$suite" "$MACHINE" "$PROXY_IP" \
		"$CALLER_IP" "$EXPERT_IP"
	files_of_the_machine >"$STACK/files.before"
	step "$suite: install" install_by_three_commands
	step "$suite: the snippet in the stock configuration" snippet_and_calls
	step "$suite: start, stop, restart" start_stop_restart
	step "$suite: upgrade under load" upgrade_under_load
	step "$suite: a newer Kamailio is held back" newer_kamailio
	step "$suite: downgrade" downgrade
	step "$suite: the module's package is removed" remove_module
	step "$suite: remove and purge" remove_and_purge
	proc_stop machine
	machine_stop
	proc_stop expert
	step "$suite: make demo with the packages" demo
	step "$suite: end-to-end cases with the packages" smoke
}

SMOKE=(approved cancel retransmission reinvite replay-other-worker gate-replay gate-signature
	management)
smoke() { expect_ok "end-to-end cases" installed tests/e2e/run "${SMOKE[@]}"; }
demo() { expect_ok "the demo" installed scripts/demo.sh; }
installed() { "$IFE_ROOT/tests/packages/installed.sh" "$SUITE" "$@"; }

# step NAME COMMAND: one line of the results. LOST and DOUBLED are the command's to set.
step() {
	local before=$FAILURES ok=true
	LOST=0 DOUBLED=0 NOTE=
	printf '%s\n' "$1"
	"$2"
	[ "$FAILURES" = "$before" ] || ok=false
	result "$1" 1 "$LOST" "$DOUBLED" 0 "$ok" "$NOTE"
}

files_of_the_machine() {
	in_machine find / -xdev \( -path /var/log -o -path /var/cache -o -path /var/lib/apt -o -path \
		/var/lib/dpkg -o -path /var/lib/systemd \
		-o -path /var/tmp -o -path /debs \) -prune -o -print | grep -vE '^/etc/.*-$|^/etc/machine-id$' |
		LC_ALL=C sort
}

# deb VERSION PACKAGE ...: their files in the machine.
deb() {
	local version=$1 name
	shift
	for name in "$@"; do
		case $name in
		kamailio-if-escalate-modules)
			(cd "$MACHINE/debs" && printf '/debs/%s\n' "${name}_$version"+*.deb)
			;;
		*) (cd "$MACHINE/debs" && printf '/debs/%s\n' "${name}_$version"-1_*.deb) ;;
		esac
	done
}

# apt_install VERSION PACKAGE ...
apt_install() {
	local files
	mapfile -t files < <(deb "$@")
	in_machine env DEBIAN_FRONTEND=noninteractive apt-get -y --allow-downgrades install "${files[@]}"
}

is_enabled() { in_machine systemctl is-enabled "$1" 2>/dev/null; }
main_pid() { in_machine systemctl show -P MainPID "$1"; }
version_of() { in_machine dpkg-query -W -f '${Version}' "$1" 2>/dev/null; }

# README.Debian of if-escalate-common has these three commands.
install_by_three_commands() {
	local unit pid
	expect_ok "Debian's own Kamailio starts" in_machine systemctl start kamailio
	pid=$(main_pid kamailio)
	expect_ok "1: apt install" apt_install $OLD "${PROXY_PACKAGES[@]}"
	expect "Kamailio goes on as it is" "$pid" "$(main_pid kamailio)"
	for unit in ife-witnessd ife-witnessd-init; do
		expect "$unit after the installation" inactive "$(in_machine systemctl is-active $unit)"
	done
	expect "ife-witnessd at boot" disabled "$(is_enabled ife-witnessd)"
	expect_fails "a log without a name" . in_machine systemctl start ife-witnessd-init
	expect "what it says" 1 \
		"$(in_machine journalctl -o cat -u ife-witnessd-init |
		grep -c 'set ORIGIN in /etc/default/ife-witnessd')"
	expect_ok "2: the log's name, and its beginning" in_machine sh -c \
		'echo ORIGIN=witness.council.example/proxy-1 >>/etc/default/ife-witnessd && systemctl start ife-witnessd-init'
	expect_ok "3: enable and start" in_machine systemctl enable --now ife-witnessd
	expect "ife-witnessd" active "$(in_machine systemctl is-active ife-witnessd)"
	expect "its program" "$("$IFE_BIN/ife-witnessd" --version)" "$(in_machine ife-witnessd --version)"
	for unit in ife-witnessd ifectl; do
		expect_ok "the manual of $unit" in_machine sh -c "ls /usr/share/man/man*/$unit.*"
	done
	for unit in prometheus/if-escalate.rules.yml prometheus/witnessd.jq grafana/if-escalate.json; do
		expect_ok "$unit" cmp "$IFE_ROOT/docs/examples/$unit" \
			<(in_machine cat "/usr/share/if-escalate/$unit")
	done
	expect "systemd-analyze verify" "" \
		"$(in_machine systemd-analyze verify --man=no ife-witnessd.service ife-witnessd-init.service \
		2>&1)"
}

# The lines of docs/operations.md.
snippet() {
	cat <<-'CFG'
		#!ifdef WITH_IF_ESCALATE
			if (!is_method("REGISTER") && !check_policy()) { sl_send_reply("$ife(code)", "$ife(reason)"); exit; }
			if ($ife(direction) == "to_expert" && !has_totag()) {
				remove_hf("Route");
				append_hf("X-IF-Witness-Hash: sha256:$ife(witness)\r\n");
				record_route();
				$ru = $ife(expert_contact);
				route(RELAY);
			}
		#!else
			if ($hdr(X-IF-Trace-ID) != $null) { sl_send_reply("503", "Gate Not Available"); exit; }
		#!endif
	CFG
}

snippet_and_calls() {
	local cfg=$MACHINE/upper$CFG
	stack_keys council-2026a safety-2026a ethics-2026a
	stack_registry | in_machine tee /etc/if-escalate/registry.yaml >/dev/null
	snippet >"$STACK/snippet"
	in_machine cat "$CFG" >"$STACK/kamailio.cfg"
	sed -i -e '/^loadmodule "counters.so"/a import_file "/usr/share/kamailio-if-escalate/load.cfg"' \
		-e "/^\t# handle requests within SIP dialogs/r $STACK/snippet" "$STACK/kamailio.cfg"
	expect "places of the snippet" 2 \
		"$(grep -cE '^import_file "/usr/share|Gate Not Available' "$STACK/kamailio.cfg")"
	in_machine cp "$CFG" "$CFG.stock"
	in_machine tee "$CFG" <"$STACK/kamailio.cfg" >/dev/null
	expect_ok "Kamailio restarts with the module" in_machine systemctl restart kamailio
	proc_start expert nsenter -t "$(machine_init)" -n sipp -sf "$SIPP_DIR/uas.xml" -i "$EXPERT_IP" \
		-p "$EXPERT_PORT" -nostdin -aa
	calls "with the gate" 200 428 403
	[ -f "$cfg" ] || fail "the configuration is not the machine's own"
	verify_log "after the calls"
}

# calls WHEN APPROVED UNSIGNED REPLAYED: codes of three calls for the gate, and of ordinary
# requests, which it leaves alone.
calls() {
	local signed
	signed=$(stack_sign council-2026a "$COUNCIL" "$SAFETY" safety)
	raw_request "$STACK/signed.sip" INVITE "signed-$SECONDS@machine" "$signed"
	raw_request "$STACK/unsigned.sip" INVITE "unsigned-$SECONDS@machine" \
		"$(jq '.signature = "v=1"' <<<"$signed")" '/^X-IF-Signature/d'
	raw_request "$STACK/replayed.sip" INVITE "replayed-$SECONDS@machine" "$signed"
	expect "$1: approved" "$2" "$(code_of "$STACK/signed.sip")"
	expect "$1: unsigned" "$3" "$(code_of "$STACK/unsigned.sip")"
	expect "$1: replayed" "$4" "$(code_of "$STACK/replayed.sip")"
	FROM=alice@$PROXY_IP TO=alice@$PROXY_IP raw_request "$STACK/register.sip" REGISTER \
		"register-$SECONDS@machine" '{}' \
		"s|^REGISTER sip:alice@|REGISTER sip:|" '/^X-IF-/d'
	FROM=alice@$PROXY_IP TO=nobody@$PROXY_IP raw_request "$STACK/ordinary.sip" INVITE \
		"ordinary-$SECONDS@machine" '{}' '/^X-IF-/d'
	expect "$1: ordinary REGISTER" 200 "$(code_of "$STACK/register.sip")"
	expect "$1: ordinary INVITE for a user who is not there" 404 "$(code_of "$STACK/ordinary.sip")"
}

code_of() {
	in_machine_net python3 "$IFE_ROOT/scripts/lib/siptool.py" send "$PROXY_IP" 5060 \
		--source "$CALLER_IP" "$1" |
		jq -s -r 'map(select(.code >= 200)) | .[0].code // "none"'
}

verify_log() {
	cp "$MACHINE/upper/var/lib/if-escalate/keys/witness.vkey" "$STACK/witness.vkey"
	expect_ok "$1: the log is verified" stack_verify
}

start_stop_restart() {
	local unit units=(ife-witnessd kamailio ife-bridge) pid
	expect_ok "the gateway's packages" apt_install $OLD "${GATEWAY_PACKAGES[@]}"
	expect "ife-bridge after its installation" "disabled inactive" \
		"$(is_enabled ife-bridge) $(in_machine systemctl is-active ife-bridge)"
	bridge_configuration
	expect_ok "ife-bridge is enabled" in_machine systemctl enable --now ife-bridge
	unit_is ife-bridge active || machine_journal ife-bridge
	for unit in "${units[@]}"; do
		pid=$(main_pid "$unit")
		expect_ok "restart of $unit" in_machine systemctl restart "$unit"
		wait_until 30 started_again "$unit" "$pid" ||
			fail "$unit is not started again: $(state_of "$unit")"
	done
	expect_ok "all stop" in_machine systemctl stop "${units[@]}"
	for unit in "${units[@]}"; do expect "$unit stopped" "success inactive" "$(state_of "$unit")"; done
	expect_ok "all start" in_machine systemctl start "${units[@]}"
	for unit in "${units[@]}"; do
		wait_until 30 unit_is "$unit" active || fail "$unit is $(state_of "$unit")"
	done
}

# The shipped example, with a registry that has its council's key.
bridge_configuration() {
	local public
	public=$(in_machine ifectl keygen --kid bridge-2026a --out /etc/if-escalate/bridge-2026a.key \
		--json | jq -r .public_key)
	in_machine sed -i "/kid: council-2026a/i \\      - {kid: bridge-2026a, public_key: \"$public\", covers: [base]}" /etc/if-escalate/registry.yaml
	in_machine sh -c 'f=/usr/share/doc/ife-bridge/examples/bridge.yaml; { cat $f 2>/dev/null || zcat $f.gz; } >/etc/if-escalate/bridge.yaml
		echo a-secret-that-no-asterisk-asks-for >/etc/if-escalate/ami-secret
		chmod 600 /etc/if-escalate/ami-secret /etc/if-escalate/bridge-2026a.key
		chown ife-bridge: /etc/if-escalate/ami-secret /etc/if-escalate/bridge-2026a.key'
}

# A producer pushes one entry after the other, each once the last one is on disk, while all packages
# are replaced.
upgrade_under_load() {
	local unit kamailio
	declare -A before
	for unit in ife-witnessd ife-bridge; do before[$unit]=$(main_pid $unit); done
	kamailio=$(main_pid kamailio)
	proc_start feed nsenter -t "$(machine_init)" -m -u -i -n -p -C -r -w setpriv --reuid kamailio \
		--regid if-escalate --init-groups \
		/debs/witness_feed --state-dir /run/if-escalate --producer feed --each --wait-ms 60000 \
		--seconds 3600
	wait_until 20 feed_has 100 || fail "the feed does not begin"
	expect_ok "apt install of $NEW" apt_install $NEW "${PROXY_PACKAGES[@]}" "${GATEWAY_PACKAGES[@]}"
	for unit in ife-witnessd ife-bridge; do
		wait_until 30 started_again "$unit" "${before[$unit]}" ||
			fail "$unit is not started again: $(state_of "$unit")"
	done
	expect "Kamailio goes on as it is" "$kamailio" "$(main_pid kamailio)"
	wait_until 30 feed_has $(($(feed_count) + 100)) || fail "the feed does not go on"
	expect_ok "the feed stops" in_machine systemctl restart ife-witnessd
	proc_stop feed
	expect "version" "$NEW-1" "$(version_of ife-witnessd)"
	calls "after the upgrade" 200 428 403
	judge_feed
	expect "ORIGIN after the upgrade" 1 "$(in_machine grep -c ^ORIGIN /etc/default/ife-witnessd)"
}

feed_count() { grep -cE '^[0-9]+ [0-9]+$' "$STACK/log/feed.log"; }
feed_has() { [ "$(feed_count)" -ge "$1" ]; }

judge_feed() {
	grep -E '^[0-9]+ [0-9]+$' "$STACK/log/feed.log" | LC_ALL=C sort -u >"$STACK/acknowledged"
	verify_log "after the upgrade"
	log_entries >"$STACK/entries"
	jq -r 'select(.producer == "feed" and .event != "GAP") | "\(.epoch) \(.seq)"' "$STACK/entries" |
		LC_ALL=C sort >"$STACK/logged"
	LOST=$(LC_ALL=C comm -23 "$STACK/acknowledged" <(LC_ALL=C sort -u "$STACK/logged") | wc -l)
	DOUBLED=$(uniq -d "$STACK/logged" | wc -l)
	NOTE="$(wc -l <"$STACK/acknowledged") entries acknowledged"
	expect "entries lost" 0 "$LOST"
	expect "entries doubled" 0 "$DOUBLED"
	expect "gaps" 0 "$(jq -s 'map(select(.event == "GAP")) | length' "$STACK/entries")"
}

# A repository with a newer Kamailio: apt keeps the installed one, for its module is not there.
newer_kamailio() {
	local repository=$MACHINE/debs/repository stub=$MACHINE/stub version
	version=$(version_of kamailio)
	mkdir -p "$repository" "$stub/DEBIAN"
	printf 'Package: kamailio\nVersion: %s.99\nArchitecture: amd64\nMaintainer: a test <test@example.org>\nDescription: newer\n' \
		"${version%%-*}" >"$stub/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$stub" "$repository/kamailio.deb" >/dev/null
	(cd "$repository" && dpkg-scanpackages . >Packages 2>/dev/null)
	echo 'deb [trusted=yes] copy:/debs/repository ./' >"$MACHINE/debs/newer.list"
	expect_ok "apt update" apt_newer update
	expect "apt offers it" 1 \
		"$(apt_newer list --upgradable 2>/dev/null | grep -c "^kamailio/.*${version%%-*}.99")"
	expect_ok "apt upgrade" apt_newer -y upgrade
	expect "Kamailio after apt upgrade" "$version" "$(version_of kamailio)"
	expect "the module after apt upgrade" ok \
		"$([ -n "$(version_of kamailio-if-escalate-modules)" ] && echo ok)"
	expect_fails "apt install of it without the module" "kamailio-if-escalate-modules" apt_newer \
		-y --no-remove install kamailio
	expect_ok "Kamailio starts" in_machine systemctl restart kamailio
}

apt_newer() {
	in_machine env DEBIAN_FRONTEND=noninteractive apt -o Dir::Etc::sourcelist=/debs/newer.list \
		-o Dir::Etc::sourceparts=- \
		-o APT::Sandbox::User=root "$@"
}

downgrade() {
	expect_ok "apt install of $OLD" apt_install $OLD "${PROXY_PACKAGES[@]}" "${GATEWAY_PACKAGES[@]}"
	expect "version" "$OLD-1" "$(version_of ife-witnessd)"
	for unit in ife-witnessd ife-bridge; do
		wait_until 30 unit_is "$unit" active || fail "$unit is $(state_of "$unit")"
	done
	expect_ok "Kamailio restarts" in_machine systemctl restart kamailio
	calls "after the downgrade" 200 428 403
	verify_log "after the downgrade"
}

# As apt full-upgrade may do it: Kamailio starts without the gate, and what needs the gate is
# refused.
remove_module() {
	expect_ok "remove" in_machine apt-get -y remove kamailio-if-escalate-modules
	expect_ok "Kamailio starts without the module" in_machine systemctl restart kamailio
	calls "without the module" 503 503 503
}

remove_and_purge() {
	local ours=()
	mapfile -t ours < <(printf '%s\n' "${PROXY_PACKAGES[@]}" "${GATEWAY_PACKAGES[@]}" |
		grep -v modules)
	expect_ok "the operator's own files go" in_machine sh \
		-c "mv $CFG.stock $CFG; rm /etc/if-escalate/*"
	expect_ok "remove" in_machine apt-get -y remove "${ours[@]}"
	expect "the log after remove" ok "$([ -f "$LOG_DIR/checkpoint" ] && echo ok)"
	verify_log "after remove"
	expect_ok "purge" in_machine dpkg --purge "${ours[@]}"
	expect_ok "Kamailio starts as before" in_machine systemctl restart kamailio
	files_of_the_machine | grep -vE '^/var/lib/if-escalate/(witness|keys)/' >"$STACK/files.after"
	expect "files left" "/var/lib/if-escalate /var/lib/if-escalate/keys /var/lib/if-escalate/witness" \
		"$(LC_ALL=C comm -13 "$STACK/files.before" "$STACK/files.after" | xargs)"
	expect "files missing" "" "$(LC_ALL=C comm -23 "$STACK/files.before" "$STACK/files.after" | xargs)"
	expect "units left" "" "$(in_machine systemctl list-unit-files 'ife-*' 'run-if*' --no-legend)"
	verify_log "after purge"
}
