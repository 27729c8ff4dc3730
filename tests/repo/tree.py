"""The files of the repository, for its checks."""

import functools
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


@functools.cache
def tracked():
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.decode()
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).is_file()]


@functools.cache
def text_of(path):
    return path.read_text(encoding="utf-8", errors="replace")


def name_of(path):
    return str(path.relative_to(ROOT))


def kind_of(path):
    """The suffix of a file, or "#!" of a script without one."""
    return path.suffix or text_of(path)[:2]
