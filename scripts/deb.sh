#!/usr/bin/env bash
# Makes Debian packages of what `make build` has built, in target/deb/VERSION, and lets lintian read
# them.
#
#   IFE_DEB_VERSION   another version than that of Cargo.toml, as the tests of upgrades need
#   IFE_DEB_ONLY      "programs" or "module": one of the two source packages
#   IFE_DEB_DIR       another directory than target/deb
#   IFE_DEB_QUICK     for tests: not compressed, not read by lintian
set -euo pipefail
. "$(dirname "$0")/env.sh"

PACKAGING=$IFE_ROOT/packaging

main() {
	cd "$IFE_ROOT"
	local version
	version=${IFE_DEB_VERSION:-$(ife_version)}
	OUT=${IFE_DEB_DIR:-$IFE_TARGET/deb}/$version
	export SOURCE_DATE_EPOCH IFE_DEB_QUICK=${IFE_DEB_QUICK:-}
	SOURCE_DATE_EPOCH=$(commit_time)
	rm -rf "$OUT"
	mkdir -p "$OUT"
	[ "${IFE_DEB_ONLY:-programs}" != programs ] || programs "$version"
	[ "${IFE_DEB_ONLY:-module}" != module ] || module "$version-1"
	[ -n "${IFE_DEB_QUICK:-}" ] || run_quietly "lintian" lintian --allow-root --fail-on error,warning \
		--suppress-tags-from-file "$PACKAGING/lintian-not-for-us" "$OUT"/*.changes
	rm -rf "$OUT/programs" "$OUT/module"
	(cd "$OUT" && ls ./*.deb >&2)
}

# In a source archive, files have the time of the commit.
commit_time() {
	if [ -e .git ]; then git log -1 --format=%ct; else stat -c %Y CHANGELOG.md; fi
}

# programs VERSION: all packages but the module's.
programs() {
	local stage=$OUT/programs/if-escalate-$1 name
	mkdir -p "$stage"/{bin,lib}
	cp -r "$PACKAGING/debian" "$stage/debian"
	ln -s "$IFE_ROOT" "$stage/tree"
	for name in ife-witnessd ife-bridge ifectl; do
		[ -x "$IFE_BIN/$name" ] || die "$name is not built; run make build"
		cp -l "$IFE_BIN/$name" "$stage/bin/"
	done
	cp -r "$IFE_MODULE_DIR/libife_policy.so" "$stage/lib/"
	[ ! -d "$IFE_MODULE_DIR/glibc-hwcaps" ] || cp -r "$IFE_MODULE_DIR/glibc-hwcaps" "$stage/lib/"
	{
		printf 'if-escalate (%s-1) unstable; urgency=medium\n\n' "$1"
		printf '  * Version %s: see CHANGELOG.md, which is changelog.gz here.\n\n' "$1"
		printf -- ' -- %s  %s\n' "$(sed -n 's/^Maintainer: //p' "$stage/debian/control")" \
			"$(date -R -u -d "@$SOURCE_DATE_EPOCH")"
	} >"$stage/debian/changelog"
	(cd "$stage" && run_quietly "packages of the programs" dpkg-buildpackage -b -d -us -uc)
	mv "$OUT"/programs/*.{deb,changes,buildinfo} "$OUT/"
}

# module VERSION: by the command that the package with the sources ships.
module() {
	local sources=$OUT/module
	mkdir -p "$sources"/{scripts,examples}
	cp -r kamailio-module "$PACKAGING/module/debian" "$sources/"
	cp scripts/{build-module,kamailio-headers}.sh "$sources/scripts/"
	cp kamailio.cfg docs/examples/{dispatcher.list,kamailio-{load,local}.cfg,registry.yaml} \
		docs/examples/{tls.cfg,systemd/kamailio-if-escalate.conf} "$sources/examples/"
	IFE_KSR=$(scripts/kamailio-headers.sh) || die "no headers of Kamailio"
	export IFE_KSR
	IFE_SOURCE=$sources IFE_POLICY_LIB=$IFE_MODULE_DIR/libife_policy.so IFE_VERSION=$1 \
		run_quietly "package of the module" "$PACKAGING/module/ife-module-deb" "$OUT"
}

main "$@"
