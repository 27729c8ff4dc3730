#!/usr/bin/python3
"""Runs promtool over the shipped alerts: each fires on the series of its trouble, and is silent on
those of a healthy host.

usage: tests/prometheus/run.py
           the rules by promtool, with series
       tests/prometheus/run.py names FILE...
           whether each metric that rules and dashboard name is in one of these files: what Kamailio
           and the bridge answer at /metrics, and the textfile of witnessd.json
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "docs/examples/prometheus/if-escalate.rules.yml"
DASHBOARD = ROOT / "docs/examples/grafana/if-escalate.json"
KAMAILIO, WITNESS, BRIDGE = "kamailio_if_escalate_", "ife_witness_", "ife_bridge_"

# Values every 15 s up to the 15th minute, at which the alerts are looked at: still, one more in
# each step, or one jump.
STEPS = 60
STILL, RISES, JUMPS = f"5x{STEPS}", f"0+6x{STEPS}", f"0x{STEPS - 4} 1x8"


def counter(name, broken=JUMPS):
    return {name: broken}, {name: STILL}


def gauge(name, broken, healthy):
    return {name: f"{broken}x{STEPS}"}, {name: f"{healthy}x{STEPS}"}


def ratio(over, under, broken, healthy):
    both = lambda value: {over: f"{value}x{STEPS}", under: f"100x{STEPS}"}
    return both(broken), both(healthy)


# Alert to the series of its trouble, those of a healthy host, and the labels that the alert has
# from its series.
CASES = {
    "IfeKamailioDown": (
        *gauge('up{job="if-escalate-kamailio"}', 0, 1),
        {"job": "if-escalate-kamailio"},
    ),
    "IfeWitnessRefusesCalls": (*counter(KAMAILIO + "rejected_witness"), {}),
    "IfeWitnessDropsEntries": (*counter(KAMAILIO + "witness_dropped"), {}),
    "IfeInternalError": (*counter(KAMAILIO + "rejected_internal"), {}),
    "IfeReloadRefused": (*counter(KAMAILIO + "reload_failures"), {}),
    "IfeReplayTableFills": (
        *ratio(KAMAILIO + "replay_used", KAMAILIO + "replay_slots", 71, 70),
        {},
    ),
    "IfeTableFull": (*counter(KAMAILIO + "buckets_full"), {}),
    "IfeRefusalsOmitted": (*counter(KAMAILIO + "refusals_omitted"), {}),
    "IfeOverload": (*counter(KAMAILIO + "overload_refused"), {}),
    "IfeClocksDiffer": (*counter(KAMAILIO + "rejected_freshness", RISES), {}),
    "IfeAttackOrFaultyCaller": (
        {
            KAMAILIO + "rejected_replay": STILL,
            KAMAILIO + "rejected_signature": RISES,
            KAMAILIO + "rejected_source": STILL,
        },
        {
            KAMAILIO + "rejected_replay": STILL,
            KAMAILIO + "rejected_signature": JUMPS,
            KAMAILIO + "rejected_source": STILL,
        },
        {},
    ),
    "IfeRegistriesDiffer": (
        {
            KAMAILIO + 'registry_experts{instance="a"}': STILL,
            KAMAILIO + 'registry_experts{instance="b"}': f"6x{STEPS}",
        },
        {
            KAMAILIO + 'registry_experts{instance="a"}': STILL,
            KAMAILIO + 'registry_experts{instance="b"}': STILL,
        },
        {},
    ),
    "IfeSharedMemoryFills": (
        *ratio("kamailio_shmem_real_used_size", "kamailio_shmem_total_size", 71, 70),
        {},
    ),
    # The clock of a test begins at 0.
    "IfeWitnessdDown": (
        {WITNESS + "updated_ms": f"600000x{STEPS}"},
        {WITNESS + "updated_ms": f"0+15000x{STEPS}"},
        {},
    ),
    "IfeWitnessStalled": (*gauge(WITNESS + "stalled", 1, 0), {}),
    "IfeWitnessDoesNotPublish": (
        {WITNESS + "size": RISES, WITNESS + "published": f"0x{STEPS}"},
        {WITNESS + "size": RISES, WITNESS + "published": RISES},
        {},
    ),
    "IfeWitnessEntriesMissing": (*counter(WITNESS + "missing"), {}),
    "IfeWitnessDiskSlow": (*gauge(WITNESS + "sync_us_max", 100_001, 2_000), {}),
    "IfeBridgeDown": (*gauge('up{job="if-escalate-bridge"}', 0, 1), {"job": "if-escalate-bridge"}),
    "IfeBridgeWithoutAsterisk": (*gauge(BRIDGE + "ami_up", 0, 1), {}),
    "IfeBridgeWithoutKamailio": (*gauge(BRIDGE + "kamailio_up", 0, -1), {}),
    "IfeBridgeStuckChannels": (*gauge(BRIDGE + "stuck_channels", 1, 0), {}),
    "IfeBridgeWithoutWitness": (*gauge(BRIDGE + "witness_up", 0, 1), {}),
    "IfeBridgeEntriesLost": (*counter(BRIDGE + "witness_dropped"), {}),
    "IfeBridgeStoreFailed": (*gauge(BRIDGE + "store_up", 0, 1), {}),
    # A bridge without NATS has 0 from its start.
    "IfeBridgeWithoutNats": (
        {BRIDGE + "nats_up": f"1x20 0x{STEPS - 20}"},
        {BRIDGE + "nats_up": f"0x{STEPS}"},
        {},
    ),
    "IfeBridgeDeadLetters": (
        *counter(BRIDGE + 'nats_messages_total{result="dead_letter"}'),
        {"result": "dead_letter"},
    ),
    "IfeBridgeCallsFail": (
        {'sip_errors_total{status_code="486"}': RISES, 'sip_calls_total{result="ended"}': RISES},
        {'sip_errors_total{status_code="486"}': STILL, 'sip_calls_total{result="ended"}': RISES},
        {},
    ),
    "IfeBridgeHangupsUnconfirmed": (*counter(BRIDGE + "hangups_unconfirmed_total"), {}),
    "IfeBridgeNotNotified": (
        {BRIDGE + 'notifications_total{channel="mail",outcome="refused"}': JUMPS},
        {BRIDGE + 'notifications_total{channel="mail",outcome="delivered"}': JUMPS},
        {"channel": "mail", "outcome": "refused"},
    ),
    "IfeBridgeGuardiansMissing": (*counter(BRIDGE + "guardian_failures_total"), {}),
    "IfeBridgePromptsFail": (*counter(BRIDGE + "prompts_failed_total"), {}),
    "IfeBridgeUnknownParty": (*gauge(BRIDGE + "unknown_parties_present", 1, 0), {}),
    "IfeBridgeConnectionsRefused": (*counter(BRIDGE + "connections_refused_total"), {}),
}


def rules():
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def one_test(alert, rule, series, labels, fires):
    expected = (
        [{"exp_labels": {**rule["labels"], **labels}, "exp_annotations": rule["annotations"]}]
        if fires
        else []
    )
    return {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": "15m", "alertname": alert, "exp_alerts": expected}],
    }


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_rules():
    problems = []
    known = rules()
    problems += [f"{alert}: no series test it" for alert in known.keys() - CASES.keys()]
    problems += [f"{alert}: no such alert" for alert in CASES.keys() - known.keys()]
    tests = []
    for alert in known.keys() & CASES.keys():
        broken, healthy, labels = CASES[alert]
        tests += [
            one_test(alert, known[alert], broken, labels, True),
            one_test(alert, known[alert], healthy, labels, False),
        ]
        page, _, anchor = known[alert]["annotations"]["section"].partition("#")
        if anchor not in anchors(ROOT / page):
            problems.append(f"{alert}: {page} has no section {anchor}")
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
        json.dump({"rule_files": [str(RULES)], "evaluation_interval": "15s", "tests": tests}, file)
        file.flush()
        for command in (["check", "rules", str(RULES)], ["test", "rules", file.name]):
            run = subprocess.run(["promtool", *command], capture_output=True, text=True)
            if run.returncode != 0:
                problems.append(f"promtool {command[0]}: {run.stdout}{run.stderr}")
    return problems, f"{len(known)} alerts fire and stay silent as they must"


def expressions():
    for alert, rule in rules().items():
        yield alert, rule["expr"]
    panels = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    for panel in panels:
        for target in panel.get("targets", []):
            yield f"panel {panel['title']}", target["expr"]


# Words of the expressions that are no metric: PromQL's functions and operators, and labels after
# `by`.
WORDS = set(
    "rate increase delta sum max min by or and on time max_over_time min_over_time "
    "histogram_quantile le".split()
)


def metrics_of(expr):
    bare = re.sub(r"\[[^\]]*\]", "", re.sub(r"\{[^}]*\}", "", re.sub(r'"[^"]*"', "", expr)))
    bare = re.sub(r"\bby \([^)]*\)", "", bare)
    return {word for word in re.findall(r"[a-zA-Z_]\w*", bare) if word not in WORDS}


def check_names(*files):
    # A family of the bridge that has no value yet is not in its answer, but in the source that
    # declares it (a .rs file), without the
    # suffix that its samples have.
    samples, families = {"up"}, set()
    for file in files:
        text = pathlib.Path(file).read_text(encoding="utf-8")
        if file.endswith(".rs"):
            families |= set(re.findall(r'"((?:sip|ife_bridge)_\w+)"', text))
            continue
        samples |= set(re.findall(r"^([a-zA-Z_]\w*)", text, re.M))
        families |= set(re.findall(r"^# (?:HELP|TYPE) (\w+)", text, re.M))
    exists = lambda name: (
        name in samples
        or name in families
        or re.sub(r"_(total|bucket|sum|count)$", "", name) in families
    )
    missing = [
        f"{where}: no metric {name}"
        for where, expr in expressions()
        for name in metrics_of(expr)
        if not exists(name)
    ]
    return missing, "rules and dashboard name metrics that exist"


def main(what="rules", *files):
    problems, summary = check_names(*files) if what == "names" else check_rules()
    print("\n".join(problems) if problems else summary)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
