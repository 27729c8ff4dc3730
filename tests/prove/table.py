#!/usr/bin/env python3
"""Results of `make prove`, one JSON object a line, as the tables of docs/reliability.md.

table.py --finish FILE PART EXIT SECONDS SEED SCALE
    ends a part's results; exit 1 if one of them is bad or none is there
table.py RESULTS_DIR PAGE
    rewrites the part between the marks of the page
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import textwrap
import time

BEGIN, END = "<!-- prove: begin -->", "<!-- prove: end -->"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def finish(file, part, code, seconds, seed, scale):
    path = pathlib.Path(file)
    found = lines(path)
    bad = [r for r in found if not r.get("ok")]
    for r in found:
        print(
            f"  {r['fault']}: {r['rounds']} rounds, {r['lost']} lost, {r['doubled']} doubled, "
            f"{r['through']} let through"
            f"{'' if r['ok'] else ', FAILED'}{': ' + r['note'] if r['note'] else ''}"
        )
    summary = {
        "part": part,
        "exit": int(code),
        "seconds": int(seconds),
        "seed": seed,
        "scale": scale,
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "what": version(),
        "where": machine(),
    }
    with path.open("a") as out:
        out.write(json.dumps({"summary": summary}) + "\n") if found else None
    return 1 if bad or not found else 0


def version():
    git = [
        "git",
        "-C",
        str(pathlib.Path(__file__).resolve().parent),
        "describe",
        "--always",
        "--dirty",
    ]
    return subprocess.run(git, capture_output=True, text=True).stdout.strip() or "no repository"


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory_kb = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    name = model[1] if model else os.uname().machine
    return (
        f"{os.cpu_count()} virtual cores ({name}), {memory_kb >> 20} GB, Linux "
        f"{os.uname().release.split('-')[0]}"
    )


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def tables(results):
    rows, runs = [], []
    for path in sorted(results.glob("*.jsonl")):
        for r in lines(path):
            if "summary" in r:
                s = r["summary"]
                runs.append(
                    f"| {s['part']} | {s['when']} | {s['seconds']} s | {s['scale']} | {s['seed']} "
                    f"| {s['what']} |"
                )
                where = s["where"]
            else:
                held = "yes" if r["ok"] else "**no**"
                numbers = [f"{r[k]:,}" for k in ("rounds", "lost", "doubled", "through")]
                rows.append(
                    f"| {cell(r['fault'])} | {' | '.join(numbers)} | {held} | {cell(r['note'])} |"
                )
    head = [
        "| fault | rounds | lost | doubled | let through | held | |",
        "|---|---|---|---|---|---|---|",
    ]
    ran = ["| part | ended | took | size | seed | version |", "|---|---|---|---|---|---|"]
    if not runs:
        return ""
    ran_on = textwrap.fill(f"Ran on {where}.", 100)
    return "\n".join([ran_on, "", *head, *rows, "", *ran, *runs])


def main(args):
    if args[0] == "--finish":
        return finish(*args[1:])
    results, page = map(pathlib.Path, args)
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    made = tables(results)
    if not made or not after:
        print("no results, or no marks in the page", file=sys.stderr)
        return 1
    page.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
