#!/usr/bin/env bash
# Makes a release of a clean tree, in target/dist/VERSION: sources, crates, Debian packages,
# SHA256SUMS. The same commit makes the same bytes of the source archive.
#
# usage: scripts/dist.sh [check | sources]     default: all; the packages are those of `make deb`
#   check:   only whether the tree may be released
#   sources: without the Debian packages
#   IFE_SIGN_KEY   a key of gpg (key id or address), which signs SHA256SUMS
#   IFE_DIST_DIR   another directory than target/dist
set -euo pipefail
. "$(dirname "$0")/env.sh"

main() {
	cd "$IFE_ROOT"
	VERSION=$(ife_version)
	NAME=if-escalate-$VERSION
	check_tree
	[ "${1:-}" != check ] || return 0
	OUT=${IFE_DIST_DIR:-$IFE_TARGET/dist}/$VERSION
	rm -rf "$OUT"
	mkdir -p "$OUT"
	WORK=$(mktemp -d "$OUT/.work.XXXXXX")
	trap 'rm -rf "$WORK"' EXIT
	source_archive
	crates_archive
	[ "${1:-}" = sources ] || cp "$IFE_TARGET/deb/$VERSION"/*.deb "$OUT/" ||
		die "there are no packages of $VERSION in $IFE_TARGET/deb; run make deb"
	checksums
	(cd "$OUT" && ls ./* >&2)
}

# A release is a commit, and the version that its changelog describes.
check_tree() {
	local first tag
	[ -e .git ] || die "$IFE_ROOT is no repository; a release is made of one"
	[ -z "$(git status --porcelain)" ] ||
		die "the tree has changes that are not committed; commit or remove them (git status)"
	first=$(sed -n 's/^## //p' CHANGELOG.md | head -n 1)
	[ "$first" = "$VERSION" ] ||
		die "Cargo.toml has version $VERSION, CHANGELOG.md begins with ${first:-no version};" \
			"make them the same"
	cargo metadata --locked --no-deps --format-version 1 >/dev/null ||
		die "Cargo.lock does not fit Cargo.toml; run cargo check and commit Cargo.lock"
	tag=$(git rev-parse -q --verify "refs/tags/v$VERSION^{commit}") || return 0
	[ "$tag" = "$(git rev-parse HEAD)" ] ||
		die "tag v$VERSION is another commit; raise the version in Cargo.toml"
}

# Order, times, owners and modes are those of the commit.
source_archive() {
	git -c tar.umask=0022 archive --format=tar --prefix="$NAME/" HEAD |
		gzip -9 -n >"$OUT/$NAME.tar.gz"
}

# To be unpacked over the source archive: vendor/, and what makes Cargo take crates from it.
crates_archive() {
	local tree=$WORK/$NAME
	mkdir -p "$tree/.cargo"
	run_quietly "cargo vendor" cargo vendor --locked --versioned-dirs "$tree/vendor"
	cat >"$tree/.cargo/config.toml" <<-'TOML'
		[source.crates-io]
		replace-with = "vendored-sources"

		[source.vendored-sources]
		directory = "vendor"

		[net]
		offline = true
	TOML
	tar -C "$WORK" --sort=name --format=gnu --owner=0 --group=0 --numeric-owner \
		--mode='u+rwX,go+rX,go-w' --mtime="@$(git log -1 --format=%ct)" -cf - "$NAME" |
		gzip -n >"$OUT/$NAME-crates.tar.gz"
}

checksums() {
	(cd "$OUT" && find . -maxdepth 1 -type f -printf '%P\0' | LC_ALL=C sort -z |
		xargs -0 sha256sum --) >"$WORK/SHA256SUMS"
	mv "$WORK/SHA256SUMS" "$OUT/"
	if [ -z "${IFE_SIGN_KEY:-}" ]; then
		note "  SHA256SUMS is not signed: IFE_SIGN_KEY names no key"
		return
	fi
	command -v gpg >/dev/null || die "gpg is not installed; apt install gpg"
	run_quietly "signature" gpg --batch --yes --local-user "$IFE_SIGN_KEY" --armor \
		--output "$OUT/SHA256SUMS.asc" --detach-sign "$OUT/SHA256SUMS"
}

main "$@"
