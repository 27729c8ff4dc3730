#!/usr/bin/env bash
# scripts/dist.sh refuses a tree that is no release; its archives are reproducible and build
# offline.
NO_VERIFY=1
. "$(dirname "$0")/../lib.sh"

TREE=$WORK/tree
VERSION=$(ife_version)
NAME=if-escalate-$VERSION
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
unset IFE_SIGN_KEY CARGO_TARGET_DIR

# The files of this tree, as the one commit of a repository: the commit of a release, whatever the
# changelog has begun since.
commit_tree() {
	rm -rf "$TREE"
	mkdir -p "$TREE"
	(cd "$IFE_ROOT" && git -c safe.directory='*' ls-files -z | xargs -0 cp --parents -t "$TREE") &&
		sed -i "0,/^## /s/^## .*/## $VERSION/" "$TREE/CHANGELOG.md" &&
		git -C "$TREE" init -q && commit
}

commit() {
	git -C "$TREE" add -A &&
		git -C "$TREE" -c user.name=test -c user.email=test@example.org commit -q -m test
}

# dist DIRECTORY: sources and crates, without the packages, which need a build.
dist() { IFE_DIST_DIR=$1 "$TREE/scripts/dist.sh" sources; }

refusals() {
	echo >>"$TREE/README.md"
	expect_fails "a change" "changes that are not committed" "$TREE/scripts/dist.sh" check
	git -C "$TREE" checkout -q README.md
	expect_ok "a clean tree" "$TREE/scripts/dist.sh" check
	git -C "$TREE" tag "v$VERSION"
	sed -i "0,/^## /s/^## .*/## 99.0.0/" "$TREE/CHANGELOG.md"
	commit
	expect_fails "another version in the changelog" \
		"Cargo.toml has version $VERSION, CHANGELOG.md begins with 99.0.0" "$TREE/scripts/dist.sh" check
	git -C "$TREE" checkout -q HEAD~ CHANGELOG.md
	commit
	expect_fails "a version that is tagged elsewhere" "tag v$VERSION is another commit" \
		"$TREE/scripts/dist.sh" check
	git -C "$TREE" tag -d "v$VERSION" >/dev/null
}

# A key of this case alone. gpg-agent's socket wants a short path.
signing_key() {
	gpg --batch --quiet --passphrase '' --quick-generate-key release@example.org ed25519 sign never &&
		gpg --batch --export release@example.org >"$WORK/release.gpg"
}

reproducible() {
	local file
	GNUPGHOME=$(mktemp -d)
	export GNUPGHOME IFE_SIGN_KEY=release@example.org
	expect_ok "a key" signing_key
	expect_ok "a release" dist "$WORK/first"
	(umask 077 && TZ=Asia/Tokyo dist "$WORK/second" >"$WORK/second.log" 2>&1)
	for file in "$NAME.tar.gz" "$NAME-crates.tar.gz" SHA256SUMS; do
		expect_ok "the same bytes: $file" cmp "$WORK/first/$VERSION/$file" "$WORK/second/$VERSION/$file"
	done
	gpgconf --kill all
	rm -rf "$GNUPGHOME"
}

# unpacked: the steps of a user of the archives, in a path with a blank.
unpacked() {
	local to="$WORK/un packed"
	rm -rf "$to"
	mkdir -p "$to" "$WORK/cargo-home"
	expect_ok "its checksums" bash -c 'cd "$1" && sha256sum --strict -c SHA256SUMS' sums \
		"$WORK/first/$VERSION"
	expect_ok "its signature" gpgv --keyring "$WORK/release.gpg" \
		"$WORK/first/$VERSION/SHA256SUMS.asc" "$WORK/first/$VERSION/SHA256SUMS"
	tar -C "$to" -xf "$WORK/first/$VERSION/$NAME.tar.gz"
	expect "what is in the sources, and not in the commit" "" \
		"$(diff <(cd "$to/$NAME" && find . -type f | LC_ALL=C sort) \
			<(git -C "$TREE" ls-files | sed 's|^|./|' | LC_ALL=C sort))"
	tar -C "$to" -xf "$WORK/first/$VERSION/$NAME-crates.tar.gz"
	export CARGO_HOME=$WORK/cargo-home
	cd "$to/$NAME" || return
	expect_ok "all crates are there" cargo metadata --offline --locked --format-version 1
	expect_ok "a crate builds" cargo check --locked -p ife-message
	cd "$WORK" || return
}

expect_ok "the tree as a repository" commit_tree
refusals
reproducible
unpacked
rm -rf "$TREE" "$WORK/first" "$WORK/second" "$WORK/un packed"
