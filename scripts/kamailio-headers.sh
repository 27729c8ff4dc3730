#!/bin/sh
# Gets the headers of the installed Kamailio from the distribution's source package and prints the
# tree's path. Changes nothing under /etc: apt runs with its own source lists and state under
# target/.
#
# usage: scripts/kamailio-headers.sh
# needs: apt, tar, make, gcc, flex, bison; network the first time only
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
base=${IFE_KAMAILIO_SRC:-$root/target/kamailio-src}
package=${IFE_KAMAILIO_PACKAGE:-kamailio}

die() {
	printf 'kamailio-headers: %s\n' "$*" >&2
	exit 1
}

version=$(dpkg-query -W -f '${source:Version}' "$package" 2>/dev/null) || version=
[ -n "$version" ] || die "package $package is not installed (apt-get install $package)"
source=$(dpkg-query -W -f '${source:Package}' "$package")
name=${version#*:}
tree=$base/$name

# Kamailio loads only modules with its own compile flags. The build derives this flag from OpenSSL's
# headers, which may be missing: the flag of the installed Kamailio is used.
case $(kamailio -v 2>/dev/null) in
*TLS_PTHREAD_MUTEX_SHARED*) mutex_shared=1 ;;
*) mutex_shared= ;;
esac
configured_alike() {
	if grep -q KSR_PTHREAD_MUTEX_SHARED "$tree/src/config.mak" 2>/dev/null; then
		[ -n "$mutex_shared" ]
	else
		[ -z "$mutex_shared" ]
	fi
}

# The stamp is written last, so an interrupted run starts over.
if [ -e "$tree/.ready" ] && configured_alike; then
	printf '%s\n' "$tree"
	exit 0
fi

work=$base/.apt-$name
log=$work/log
rm -rf "$work" "$tree"
mkdir -p "$work/sources.d" "$work/lists/partial" "$work/cache/archives/partial" "$work/download"

# Turns the machine's apt sources into source-package sources, in both file forms. Only files of
# this package's repository are used, so that an unrelated one cannot fail.
copy_sources() {
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
		/etc/apt/sources.list.d/*.sources; do
		[ -f "$file" ] || continue
		if [ -n "$1" ] && ! grep -qF "$1" "$file"; then continue; fi
		sed -e 's/^deb\([[:blank:]]\)/deb-src\1/' -e 's/^Types:.*/Types: deb-src/' \
			-e '/^Architectures:/d' -e 's/arch=[a-z0-9,-]*//' -e 's/\[ *\]//' "$file" \
			>"$work/sources.d/$(basename "$file")"
	done
}

installed=$(dpkg-query -W -f '${Version}' "$package")
repository=$(apt-cache madison "$package" 2>/dev/null | awk -F ' *[|] *' -v v="$installed" '
	{ sub(/^ */, "", $2) } $2 == v && $3 !~ / Sources$/ { split($3, a, " "); print a[1]; exit }')
copy_sources "$repository"
if [ -z "$(ls "$work/sources.d")" ]; then copy_sources ''; fi
[ -n "$(ls "$work/sources.d")" ] || die "no apt sources found under /etc/apt"

apt_private() {
	apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/sources.d" \
		-o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" \
		-o APT::Get::List-Cleanup=false -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

# A source may fail here; an error is reported only if the package cannot be fetched.
apt_private update >"$log" 2>&1 || true
(
	cd "$work/download" &&
		apt_private source --download-only --only-source "$source=$version"
) >>"$log" 2>&1 || true
# The signature file may be missing from a mirror: apt has checked the tarball against the signed
# index.
if ! ls "$work/download/"*.orig.tar.* >/dev/null 2>&1; then
	tail -n 20 "$log" >&2
	die "cannot fetch source package $source $version from this machine's apt sources"
fi

tarball=$(find "$work/download" -name '*.orig.tar.*' ! -name '*.asc' | head -n 1)
[ -n "$tarball" ] || die "source package $source $version holds no upstream tarball"
mkdir -p "$tree"
tar -xf "$tarball" -C "$tree" --strip-components=1
# Kamailio's makefiles take no path with a blank.
links=$(mktemp -d "${TMPDIR:-/tmp}/if-escalate-cfg.XXXXXX")
trap 'rm -rf "$links"' EXIT
ln -s "$tree" "$links/kamailio"
make -C "$links/kamailio" "LIBSSL_SET_MUTEX_SHARED=${mutex_shared:-0}" cfg >>"$log" 2>&1 || {
	tail -n 20 "$log" >&2
	die "'make cfg' failed in $tree (are make, gcc, flex and bison installed?)"
}
configured_alike ||
	die "$tree is configured with other flags than the installed Kamailio (kamailio -v)"
[ -e "$tree/src/core/sr_module.h" ] ||
	die "$tree has no src/core/sr_module.h: unknown layout"
rm -rf "$work"
: >"$tree/.ready"
printf '%s\n' "$tree"
