"""Places calls at a steady rate for a long time, with strangers' requests among them, and draws
what grows.
"""

import os
import pathlib
import random
import sys
import time

import mutate
import sip
import watch

SOAK_S = int(os.environ["SOAK_S"])
RATE = 30
STRANGERS_PER_S = 20
SAMPLE_S = max(2, SOAK_S // 360)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def sample(started, caller):
    """One point of the curves, or None while RPC does not answer."""
    now = watch.snapshot()
    times, caller.times_ms = caller.times_ms, []
    if not now:
        return None
    witness = watch.processes("witnessd")
    return {
        "s": time.time() - started,
        "shared MB": now["shared_used"] / (1 << 20),
        "private MB of Kamailio": now["private_kb"] / 1024,
        "private MB of ife-witnessd": watch.private_kb(witness) / 1024,
        "descriptors": now["descriptors"] + watch.descriptors(witness),
        "latency ms, median": percentile(times, 0.5),
        "latency ms, 99 %": percentile(times, 0.99),
    }


def draw(points, path):
    """Small curves, one above the other, each from zero to its own maximum."""
    names = [name for name in points[0] if name != "s"]
    width, height, left = 900, 110, 60
    span = max(points[-1]["s"], 1)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + left + 20}" '
        f'height="{(height + 50) * len(names) + 30}"'
        ' font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    for row, name in enumerate(names):
        top = 30 + row * (height + 50)
        most = max(p[name] for p in points) * 1.1 or 1
        lines.append(f'<text x="{left}" y="{top - 6}">{name}</text>')
        lines.append(
            f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" '
            'stroke="#999"/>'
        )
        lines.append(f'<text x="{left - 6}" y="{top + 10}" text-anchor="end">{most:.3g}</text>')
        lines.append(f'<text x="{left - 6}" y="{top + height}" text-anchor="end">0</text>')
        path_points = " ".join(
            f"{left + p['s'] / span * width:.1f},{top + height - p[name] / most * height:.1f}"
            for p in points
        )
        lines.append(
            f'<polyline points="{path_points}" fill="none" stroke="#06c" stroke-width="1.2"/>'
        )
    bottom = 30 + len(names) * (height + 50) - 30
    lines.append(
        f'<text x="{left + width}" y="{bottom}" text-anchor="end">{span:.0f} s</text></svg>'
    )
    path.write_text("\n".join(lines) + "\n")


def growth(points, name):
    """From the mean of the second quarter to that of the last: the first is warming up."""
    quarter = max(1, len(points) // 4)
    early, late = points[quarter : 2 * quarter] or points, points[-quarter:]
    return sum(p[name] for p in late) / len(late) - sum(p[name] for p in early) / len(early)


def main():
    rng = random.Random(sip.SEED)
    phone = sip.Phone(sip.EXPERTS[0], keep=False)
    phone.start()
    caller = sip.Caller(sip.CALLERS[0], talk_s=2.0, prefix="soak")
    socks = [sip.udp(ip) for ip in sip.STRANGERS]
    before = watch.snapshot()
    started, due, stranger_due, sample_due = time.time(), time.time(), time.time(), time.time() + 5
    signed, signed_at, number = [], 0, 0
    points = []
    while time.time() - started < SOAK_S:
        now = time.time()
        if not signed or now - signed_at > 30:
            signed, signed_at = sip.sign(RATE * 40), now
        if now >= due:
            due += 1 / RATE
            number += 1
            caller.place(signed.pop(), str(number))
        if now >= stranger_due:
            stranger_due += 1 / STRANGERS_PER_S
            sock = rng.choice(socks)
            local = "%s:%d" % sock.getsockname()
            raw = sip.invite(None, f"s{number}.{rng.random()}", local, f"{rng.random()}", "s")
            sock.sendto(mutate.mutant(rng, raw, raw)[0], sip.PROXY)
        if now >= sample_due:
            sample_due = now + SAMPLE_S
            point = sample(started, caller)
            if point:
                points.append(point)
            # The phone remembers each call; the account needs the callers' side alone.
            for memory in (phone.calls, phone.invites, phone.by_trace):
                memory.clear()
        caller.turn(0.005)
    caller.settle(15)
    after = watch.snapshot()
    draw(points, pathlib.Path(os.environ["PROVE_RESULTS"]).with_name("soak.svg"))
    calls = list(caller.account.values())
    lost = sum(c["finals"].get("1", {}).get("code") != 200 for c in calls)
    alive = bool(after) and after["pids"] == before["pids"]
    grown = {
        name: growth(points, name)
        for name in ("shared MB", "private MB of Kamailio", "descriptors")
    }
    note = (
        f"{SOAK_S} s, {len(calls)} calls; {watch.compared(before, after)}; second quarter to last: "
    )
    note += ", ".join(f"{name} {value:+.1f}" for name, value in grown.items())
    median = percentile([p["latency ms, median"] for p in points], 0.5)
    worst = max(p["latency ms, 99 %"] for p in points)
    note += f"; latency {median:.1f} ms median, {worst:.0f} ms the worst 99 % of a sample"
    ok = alive and not lost and grown["shared MB"] < 2 and grown["descriptors"] < 20
    sip.result("soak", len(calls), lost, 0, 0, ok, note)
    return 0


if __name__ == "__main__":
    sys.exit(main())
