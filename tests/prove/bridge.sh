# Sourced by the parts that run the bridge: a deployment as the end-to-end cases have it, with
# Asterisk, in the part's namespaces.
# shellcheck shell=bash

PROVE_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export IFE_E2E_DIR=$PROVE_DIR
. "$PROVE_HERE/../e2e/lib.sh"
. "$PROVE_HERE/../e2e/bridge.sh"
. "$PROVE_HERE/result.sh"

# prove_python SCRIPT [ARG ...]: with the deployment's values as its environment.
prove_python() {
	export STACK IFE_ROOT SEED SCALE PROVE_RESULTS SAFETY ETHICS TESTBED TESTBED_SUITE IFE_TARGET
	PYTHONDONTWRITEBYTECODE=1 python3 "$PROVE_HERE/$1.py" "${@:2}"
}
