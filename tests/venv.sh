# Sourced by scripts that run Python with packages of their own: venv NAME REQUIREMENTS [PIP_OPTION
# ...] makes target/NAME, once, and gives its path in VENV. PYTHON names the interpreter (default
# python3).
# shellcheck shell=sh

venv() {
	VENV=$(cd "$here/../.." && pwd)/target/$1
	venv_wanted=$2
	shift 2
	mkdir -p "${VENV%/*}"
	# Tests that run side by side must not install over each other.
	exec 9>"$VENV.lock"
	flock 9
	cmp -s "$venv_wanted" "$VENV/installed.txt" || venv_install "$@"
	exec 9>&-
}

venv_install() {
	rm -rf "$VENV"
	"${PYTHON:-python3}" -m venv "$VENV" >"$VENV.log" 2>&1 || {
		echo "$0: no virtual environment could be made (Debian: apt-get install python3-venv); see $VENV.log" >&2
		exit 2
	}
	"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$@" \
		--requirement "$venv_wanted" >>"$VENV.log" 2>&1 || {
		echo "$0: pip could not install $venv_wanted; see $VENV.log" >&2
		exit 2
	}
	cp "$venv_wanted" "$VENV/installed.txt"
}
