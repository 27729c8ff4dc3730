#!/usr/bin/env python3
"""Checks of the repository itself: who may depend on what, that links lead somewhere, that nothing
is left undone.

Prints a line per failed check and "N passed, N failed" at the end. Needs cargo and git; reads only.
"""

import functools
import json
import os
import pathlib
import re
import subprocess
import sys
from xml.etree import ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "docs"))
sys.dont_write_bytecode = True
import blocks as snippets  # noqa: E402
from columns import check_line_lengths, check_prose_is_wrapped  # noqa: E402, F401
from enums import check_own_enums_are_matched  # noqa: E402, F401
from tree import ROOT, name_of, text_of, tracked  # noqa: E402

# Crate to the workspace crates that it may use outside of its tests. Nothing depends on the two
# shells.
SHELLS = {"ife-bridge", "ife-cli"}
ALL = {
    "ife-words",
    "ife-message",
    "ife-guard",
    "ife-witness",
    "ife-trace",
    "ife-ami",
    "ife-call",
    "ife-evidence",
}
MAY_USE = {
    "ife-words": set(),
    "ife-message": {"ife-words"},
    "ife-guard": {"ife-words", "ife-message"},
    "ife-witness": {"ife-words"},
    "ife-trace": {"ife-words", "ife-message", "ife-witness"},
    "ife-policy-ffi": {"ife-words", "ife-guard", "ife-witness", "ife-message"},
    "ife-ami": {"ife-words"},
    "ife-call": {"ife-words", "ife-message"},
    "ife-evidence": {"ife-words", "ife-message"},
    "ife-engine": {"ife-words", "ife-message", "ife-guard", "ife-witness", "ife-ami", "ife-call"},
    "ife-pages": set(),
    "ife-bridge": ALL | {"ife-engine", "ife-pages"},
    "ife-cli": ALL,
}
# A package to the workspace crates whose shipped dependencies may contain it. The policy library
# lives inside Kamailio:
# no runtime, no OpenSSL (tls.so owns libcrypto), no allocator of its own (static TLS breaks
# dlopen).
ONLY_IN = {
    "tokio": SHELLS,
    "serde_yaml": {"ife-guard", "ife-policy-ffi", "ife-engine"} | SHELLS,
    "openssl-sys": set(),
    "tikv-jemalloc-sys": set(),
    "mimalloc": set(),
}
# Crates that compute and never touch the world: now, bytes and randomness are arguments.
PURE = [
    "ife-words",
    "ife-message",
    "ife-guard",
    "ife-ami",
    "ife-call",
    "ife-engine",
    "ife-evidence",
    "ife-pages",
]
IMPURE = re.compile(
    r"\b(SystemTime::now|Instant::now|std::fs\b|fs::(read|write|File)|UdpSocket|TcpStream"
    r"|TcpListener|getrandom::|thread::spawn|env::var)"
)
UNDONE = re.compile(r"todo!\(|unimplemented!\(|\bTODO\b|\bFIXME\b|\bXXX\b|#\[ignore")
MACHINE_PATHS = re.compile(r"(?<![\w.-])/(work|root|home|Users)/[a-z]")


@functools.cache
def metadata():
    command = ["cargo", "metadata", "--format-version", "1", "--locked"]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


@functools.cache
def workspace():
    members = set(metadata()["workspace_members"])
    return {
        package["name"]: package for package in metadata()["packages"] if package["id"] in members
    }


def shipped_closure(crate):
    """Names of all packages that a crate ships with when it is built by itself."""
    command = ["cargo", "tree", "--locked", "-p", crate, "-e", "normal", "--prefix", "none"]
    tree = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return {line.split()[0] for line in tree.splitlines()} - {crate}


# Programs of the tests: they ship nowhere, so they may use all.
TOOLS = {"ife-tools"}


def shipped_crates():
    return {name: package for name, package in workspace().items() if name not in TOOLS}


def check_crate_edges():
    for name, package in shipped_crates().items():
        if name not in MAY_USE:
            yield f"{name}: not in the table of crates that may use which"
            continue
        for dependency in package["dependencies"]:
            inside = dependency["name"] in workspace() and dependency["kind"] != "dev"
            if inside and dependency["name"] not in MAY_USE[name]:
                yield f"{name} depends on {dependency['name']}, which the design does not allow"
            if dependency["name"] in SHELLS | TOOLS:
                yield f"{name} depends on {dependency['name']}: nothing may"
            if name == "ife-words":
                yield f"{name} depends on {dependency['name']}; it may on no package"


def check_who_ships_what():
    for name in shipped_crates():
        closure = shipped_closure(name)
        for what, allowed in ONLY_IN.items():
            if what in closure and name not in allowed:
                yield f"{name} ships with {what}; only {sorted(allowed) or 'no crate'} may"


def check_one_yaml_file():
    for package in ("serde_yaml", "unsafe_libyaml"):
        code = re.compile(rf"^(?!\s*//).*\b{package}::", re.M)
        users = [
            name_of(p)
            for p in tracked()
            if p.suffix == ".rs" and "/tests/" not in name_of(p) and code.search(text_of(p))
        ]
        if len(users) != 1:
            yield f"{package} is for one file, so that it can be replaced there; used in {users}"


def check_one_yaml_parser():
    """The library links serde_yaml with the parser within it, and no second one."""
    closure = shipped_closure(workspace()["ife-policy-ffi"]["id"])
    found = {name for name in closure if re.search(r"yaml|yml|saphyr|granit", name)}
    if found != {"serde_yaml", "unsafe-libyaml"}:
        yield f"ife-policy-ffi ships with {sorted(found)}; only serde_yaml and unsafe-libyaml may"


def check_unsafe():
    allowed = (
        "crates/ife-policy-ffi/",
        "crates/ife-guard/src/registry/events.rs",
        "crates/ife-witness/src/ring",
        "crates/ife-witness/tests/",
    )
    for path in tracked():
        if path.suffix == ".rs" and not name_of(path).startswith(allowed):
            for number, line in enumerate(text_of(path).split("\n"), start=1):
                if re.search(r"\bunsafe\s*(\{|fn|impl|extern)", line.split("//")[0]):
                    yield (
                        f"{name_of(path)}:{number}: unsafe outside of the C boundary, the rings "
                        "and the YAML events"
                    )


def check_pure_crates():
    for path in tracked():
        name = name_of(path)
        if not any(
            name.startswith(f"crates/{crate}/src/") and name.endswith(".rs") for crate in PURE
        ):
            continue
        code = text_of(path).split("#[cfg(test)]")[0]
        for number, line in enumerate(code.split("\n"), start=1):
            if IMPURE.search(line.split("//")[0]):
                yield f"{name}:{number}: a pure crate touches the world: {line.strip()}"


def check_lib_heads():
    for path in tracked():
        if path.name == "lib.rs" and path.parent.name == "src":
            first, second = (text_of(path).split("\n") + ["", ""])[:2]
            if not (first.startswith("//! ") and second.startswith("//! ")):
                yield f"{name_of(path)}: line 1 says what the crate is, line 2 what it never does"


def check_lints_inherited():
    for name, package in workspace().items():
        manifest = pathlib.Path(package["manifest_path"]).read_text(encoding="utf-8")
        if "[lints" not in manifest:
            yield f"{name}: no [lints] section"


def anchors_of(path):
    """Anchors as GitHub makes them from the headings of a Markdown file."""
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", text_of(path), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


def check_snippets():
    """Code of the documentation is run, or has the reason why not (tests/docs/blocks.py)."""
    used = set()
    for path in tracked():
        if path.suffix != ".md" or "/vendor/" in name_of(path):
            continue
        for block in snippets.blocks(path):
            place, kind = f"{name_of(path)}:{block.line}", (name_of(path), block.language)
            if not block.language:
                yield f"{place}: a block without a language"
            elif kind in snippets.RUN and block.reason is None:
                used.add(kind)
            elif block.language in snippets.LANGUAGES and block.reason is None:
                yield (
                    f"{place}: no test runs this block, and no comment says why: <!-- not run: "
                    "reason -->"
                )
        for line in snippets.unfenced(path):
            yield f"{name_of(path)}:{line}: code without a fence, so without a language"
    for kind, test in snippets.RUN.items():
        if kind not in used or not (ROOT / test).exists():
            yield f"tests/docs/blocks.py: {kind} has no block, or {test} does not exist"


def check_links():
    for path in tracked():
        if path.suffix != ".md":
            continue
        prose = re.sub(r"```.*?```|`[^`]*`", "", text_of(path), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", prose):
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            aim = (path.parent / file).resolve() if file else path
            if not aim.exists():
                yield f"{name_of(path)}: link to {target}: no such file"
            elif anchor and aim.suffix == ".md" and anchor not in anchors_of(aim):
                yield f"{name_of(path)}: link to {target}: no such heading"


def check_nothing_undone():
    for path in tracked():
        if "/vendor/" in name_of(path):
            continue
        if (
            path.suffix in {".rs", ".c", ".h", ".cfg", ".sh", ".py", ".md", ".toml", ".js", ".mjs"}
            and path != pathlib.Path(__file__).resolve()
        ):
            for number, line in enumerate(text_of(path).split("\n"), start=1):
                if UNDONE.search(line):
                    yield f"{name_of(path)}:{number}: undone or switched off: {line.strip()[:80]}"


def check_no_machine_paths():
    for path in tracked():
        if (
            path.suffix in {".png", ".bin", ".lock", ".pcap"}
            or path == pathlib.Path(__file__).resolve()
        ):
            continue
        for number, line in enumerate(text_of(path).split("\n"), start=1):
            if MACHINE_PATHS.search(line):
                yield (
                    f"{name_of(path)}:{number}: names a path of somebody's machine: "
                    f"{line.strip()[:80]}"
                )


def check_e2e_cases():
    cases = ROOT / "tests/e2e"
    paths = [path.relative_to(cases) for path in tracked() if path.is_relative_to(cases)]
    for name in sorted({path.parts[0] for path in paths if len(path.parts) > 1}):
        if not (cases / name / "README.md").is_file():
            yield f"tests/e2e/{name}: no README.md"
        if not os.access(cases / name / "run.sh", os.X_OK):
            yield f"tests/e2e/{name}: no run.sh that can be run"


# Where programs of several users meet, a file that is there is never opened with O_CREAT:
# fs.protected_regular refuses it.
SHARED_DIRECTORIES = (
    "crates/ife-policy-ffi/src/",
    "crates/ife-witness/src/ring/",
    "crates/ife-witness/src/daemon/",
)
CREATES = re.compile(r"\.create\(true\)|\bFile::create\(|\bfs::write\(")


def check_no_creating_open_in_shared_directories():
    for path in tracked():
        name = name_of(path)
        if name.startswith(SHARED_DIRECTORIES) and path.suffix == ".rs" and "tests" not in name:
            shipped = text_of(path).split("#[cfg(test)]\nmod tests")[0]
            for number, line in enumerate(shipped.split("\n"), start=1):
                if CREATES.search(line):
                    yield f"{name}:{number}: opens with O_CREAT: {line.strip()[:80]}"


# `grep -q` ends at the first match; with pipefail, the writer's broken pipe fails the pipeline.
QUIET_GREP = re.compile(r"(?<!\|)\|\s*[ef]?grep -\w*q")


def check_no_quiet_grep_in_a_pipe():
    for path in tracked():
        name, text = name_of(path), text_of(path)
        if path.suffix != ".sh" and not re.match(r"#!.*\bbash\b", text):
            continue
        for number, line in enumerate(text.split("\n"), start=1):
            if QUIET_GREP.search(line):
                yield f"{name}:{number}: grep -q in a pipe: use contains, of scripts/env.sh"


def check_scenarios_used():
    scripts = "\n".join(text_of(p) for p in tracked() if p.suffix == ".sh" or p.name == "run")
    for scenario in sorted((ROOT / "tests/sipp").glob("*.xml")):
        if not re.search(rf"\b{re.escape(scenario.stem)}\b", scripts):
            yield f"tests/sipp/{scenario.name}: no case uses it"


def check_module_licence():
    for path in tracked():
        if name_of(path).startswith("kamailio-module/") and path.suffix in {".c", ".h"}:
            if "GPL-2.0-or-later" not in text_of(path)[:1000]:
                yield f"{name_of(path)}: no SPDX line with GPL-2.0-or-later in its head"


# Exports of the module: a kind of section in its documentation, the file, and the names in it.
EXPORTS = [
    ("f", "if_escalate_mod.c", re.compile(r'\{"(\w+)", \(cmd_function\)')),
    ("p", "if_escalate_mod.c", re.compile(r'\{"(\w+)", +PARAM_')),
    ("v", "ife_pv.c", re.compile(r'(?<=[{\s])"(\w+)"(?=,|\};)')),
    ("r", "ife_rpc.c", re.compile(r'\{"(ife\.\w+)"')),
    ("e", "ife_reload.c", re.compile(r'#define IFE_EVENT_\w+ "([\w:]+)"')),
]
DOCBOOK = ROOT / "kamailio-module/doc"


def check_module_documentation():
    admin = ElementTree.parse(DOCBOOK / "if_escalate_admin.xml").getroot()
    sections = {
        section.get("id"): section for section in admin.iter("section") if section.get("id")
    }
    exported = {
        f"if_escalate.{kind}.{name.replace(':', '_')}"
        for kind, file, names in EXPORTS
        for name in names.findall(text_of(ROOT / "kamailio-module" / file))
    }
    yield from (
        f"{name}: exported, and has no section in the module's documentation"
        for name in exported - set(sections)
    )
    yield from (
        f"{name}: a section about what the module does not export"
        for name in set(sections) - exported
    )
    yield from (
        f"{name}: no example"
        for name, section in sections.items()
        if section.find("example") is None
    )
    told = "".join(admin.itertext())
    for statistic in re.findall(
        r"IFE_STAT\((\w+), \"", text_of(ROOT / "kamailio-module/ife_stats.c")
    ):
        if not re.search(rf"\b{statistic}\b", told):
            yield f"{statistic}: a statistic that the module's documentation does not name"
    made = subprocess.run(
        [sys.executable, DOCBOOK / "readme.py"], capture_output=True, check=True
    ).stdout.decode()
    if made != text_of(ROOT / "kamailio-module/README"):
        yield "kamailio-module/README: make it again by kamailio-module/doc/readme.py"


def main():
    os.chdir(ROOT)
    passed = failed = 0
    for name, check in sorted(globals().items()):
        if not name.startswith("check_"):
            continue
        problems = list(check())
        passed, failed = (passed + 1, failed) if not problems else (passed, failed + 1)
        for problem in problems[:20]:
            print(f"{name.removeprefix('check_')}: {problem}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
