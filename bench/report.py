"""Writes bench/RESULTS.md from the raw figures in bench/results/."""

import json
import statistics

import machinery

PAIRS = [
    ("translate", "public", "≤ 1.03"),
    ("translate", "nginx proxy_pass", "≤ 1.00"),
    ("translate", "nginx auth_request", ""),
    ("public", "nginx proxy_pass", ""),
]


def throughput(result):
    lines = []
    for log in ("access log off", "access log on"):
        rounds = result[log]
        lines += [
            f"### {log[0].upper()}{log[1:]}, {len(rounds)} rounds", "",
            "| contender | CPU µs/request | of it in user mode | requests/s | p50 ms | p99 ms |", "|---|---|---|---|---|---|",
        ]
        for name in rounds[0]:
            def median(figure):
                return statistics.median(one[name][figure] for one in rounds)
            user = statistics.median(one[name]["cpu_microseconds"] * one[name]["user_share"] for one in rounds)
            lines.append(
                f"| {name} | {median('cpu_microseconds'):.2f} | {user:.2f} | {median('requests_per_second'):,.0f} | "
                f"{median('p50_milliseconds'):.2f} | {median('p99_milliseconds'):.2f} |")
        lines += ["", "| CPU per request, ratio | median | 95 % interval | bar |", "|---|---|---|---|"]
        for one, other, bar in PAIRS:
            ratios = [r[one]["cpu_microseconds"] / r[other]["cpu_microseconds"] for r in rounds]
            middle, low, high = machinery.interval(ratios)
            lines.append(f"| {one} / {other} | {middle:.3f} | {low:.3f} – {high:.3f} | {bar} |")
        lines.append("")
    return "\n".join(lines)


def stampede(result):
    def seconds(one, name):
        return f"{one[name]:.2f} s" if name in one else "–"
    lines = ["| concurrent requests | cold sessions | calls | answered 200 | p50 | p99 | slowest |",
             "|---|---|---|---|---|---|---|"]
    for one in result["runs"]:
        lines.append(f"| {one['requests']:,} | {one['sessions']} | {one['calls']} | {one['ok']:,} | "
                     f"{seconds(one, 'p50_seconds')} | {seconds(one, 'p99_seconds')} | "
                     f"{seconds(one, 'slowest_seconds')} |")
    if one := result.get("expiry"):
        lines += ["", "| sessions past their recheck at once | calls | refused and asked again | p50 | p99 | recovered |",
                  "|---|---|---|---|---|---|",
                  f"| {one['sessions']:,} | {one['calls']:,} | {one['refused']:,} | {seconds(one, 'p50_seconds')} | "
                  f"{seconds(one, 'p99_seconds')} | {seconds(one, 'recovered_seconds')} |"]
    return "\n".join([*lines, ""])


def memory(result):
    lines = ["| sessions | memory of the process |", "|---|---|"]
    for one in result["points"]:
        lines.append(f"| {one['sessions']:,} | {one['bytes'] / 2**20:.1f} MiB |")
    return "\n".join([*lines, "", f"**{result['bytes_per_session']:.0f} bytes per cached session** with one token "
                      "(bar: ≤ 2,048), from the first to the last row.", ""])


def instructions(result):
    lines = ["| profile | translate | public | translation | ceiling |", "|---|---|---|---|---|"]
    for profile, one in result["profiles"].items():
        lines.append(f"| {profile} | {one['translate']:,} | {one['public']:,} | {one['translation']:,} | "
                     f"{one['ceiling']:,} |")
    return "\n".join([*lines, ""])


def stages(result):
    lines = ["| stage | median ns | 95 % interval |", "|---|---|---|"]
    for name, one in result["stages"].items():
        lines.append(f"| {name} | {one['nanoseconds']:.0f} | {one['low']:.0f} – {one['high']:.0f} |")
    count = result["allocations"]
    lines += ["", f"Allocations of one warm request over HTTP, parsing and both connections included: {count['translate']:.2f} "
              f"on a `translate` route, {count['public']:.2f} on a `public` one (bar: at most 2 more)."]
    return "\n".join([*lines, ""])


# As others measured it: sqlx, `begin_with` and a setting, row-level security, against one statement.
SCOPE_TO_BEAT = 1.19


def rls(result):
    rounds = result["rounds"]
    # of one object of JSON the names come in the order of the alphabet
    names = sorted(rounds[0], key=lambda name: ("no test before acquire" in name, statistics.median(one[name] for one in rounds)))
    lines = ["| unit of work | ms, median | against one statement, median | 95 % interval | against a transaction | 95 % interval |",
             "|---|---|---|---|---|---|"]
    verdicts = []
    for name in names:
        group = " (no test before acquire)" if name.endswith("(no test before acquire)") else ""
        ratios = []
        for base in ("one statement, WHERE", "transaction, WHERE"):
            middle, low, high = machinery.interval([one[name] / one[base + group] for one in rounds])
            ratios.append(f"{middle:.2f} | {low:.2f} – {high:.2f}")
            if base.startswith("one") and "typed select" in name:
                verdict = "beaten" if high < SCOPE_TO_BEAT else "not beaten" if low > SCOPE_TO_BEAT else "not told by this run"
                verdicts.append(f"- {name}: **{verdict}**, {middle:.2f}")
        milliseconds = statistics.median(one[name] for one in rounds)
        lines.append(f"| {name} | {milliseconds:.3f} | {' | '.join(ratios)} |")
    return "\n".join([*lines, "", f"To beat: {SCOPE_TO_BEAT} x one statement. {len(rounds)} rounds.", "", *verdicts, ""])


def audit(result):
    return "\n".join([
        "| operations | requests | cells decided | wall | CPU of audit and service | memory before and at most |",
        "|---|---|---|---|---|---|",
        f"| {result['operations']} | {result['requests']:,} | {result['decided']:,} of {result['cells']:,} | "
        f"{result['wall_seconds']} s | {result['cpu_seconds']} s | {result['memory_before_kib'] / 1024:.0f} and "
        f"{result['memory_peak_kib'] / 1024:.0f} MiB |",
        "", f"**{result['cpu_seconds'] / 2:.0f} s on two cores that do nothing else** (bar: < 60).", "",
    ])


def revocation(result):
    lines = ["| refused by | p50 ms | p99 ms | longest ms |", "|---|---|---|---|"]
    for who in ("gateways", "services"):
        one = result[who]
        lines.append(f"| the last of three {who} | {one['p50_milliseconds']:.0f} | {one['p99_milliseconds']:.0f} | "
                     f"{one['most_milliseconds']:.0f} |")
    return "\n".join([*lines, "", f"{result['revocations']:,} revocations (bar: p99 ≤ 1,000 ms).", ""])


def ledger(result):
    lines = ["| revoked | again, ns | 95 % interval | anew, ns | 95 % interval |", "|---|---|---|---|---|"]
    for what, calls in result["calls"].items():
        columns = " | ".join(f"{calls[call]['nanoseconds']:.1f} | {calls[call]['low']:.1f} – {calls[call]['high']:.1f}"
                             for call in ("again", "anew"))
        lines.append(f"| {what} | {columns} |")
    again, anew = (max(calls[call]["nanoseconds"] for calls in result["calls"].values()) for call in ("again", "anew"))
    return "\n".join([*lines, "", f"**{again:.0f} ns** at most (bar: ≤ 50), and {anew:.0f} ns for the first request of a session after a "
                      f"change. A million revoked sessions take **{result['bytes_of_a_million'] / 2**20:.0f} MiB**.", ""])


SECTIONS = [
    ("throughput", "The price of a translation", throughput, """
One core for the contender (one worker), the other for load, service and authorization server; HTTP/1.1 over loopback,
keep-alive, 100-byte answers, 100 warm sessions in turn. `translate` and `public` are two routes of one gateway
process; the two nginx contenders are one nginx process, with keep-alive to the service. nginx cannot sign a token:
in `auth_request` it hands on a ready-made one that the authorization server gave it. The kernel's part, four or five
system calls on two sockets, is much the same for all; what differs is the part in user mode."""),
    ("stampede", "Cold sessions", stampede, """
All requests are on their way before the authorization server, which takes half a second, answers the first call."""),
    ("memory", "Memory", memory, """
Anonymous memory of the gateway, one token per session, before and after so many more sessions."""),
    ("instructions", "Instructions", instructions, """
Instructions of one warm request by callgrind, of the thread that serves it. CI holds the difference under the ceiling
for the `debug` profile."""),
    ("rls", "Row-level security", rls, """
100,000 rows of 1,000 organisations in PostgreSQL, through sqlx, one client over a Unix socket, client and server each on
a core of its own; a unit of work reads the 100 rows of one organisation. All kinds take turns, unit by unit, and ratios
are of medians within a round. What costs are trips: the scope begins and sets the claims in one, and `COMMIT` is
another, which nobody waits for where a select is a unit by itself. One more is the question whether a connection still
answers, which sqlx's pool asks before it lends one unless `test_before_acquire(false)` is said."""),
    ("revocation", "Revocation", revocation, """
Three gateways on one Redis, and three services that follow the feed, each that of another gateway. From the
acknowledgement of a revocation at one gateway until the last gateway answers 401 and the last service refuses the
copied token. The gateways read the shared store four times a second, which is most of it."""),
    ("ledger", "What a request pays for revocation", ledger, """
Of the session and of its token, 4,096 sessions in turn, by criterion (`crates/countersign-gateway/benches/ledger.rs`).
`again`: as long as nothing was revoked or lifted since this session asked the last time. `anew`: looked up. Changes are
sessions that were found to have less power than their tokens say."""),
    ("audit", "Audit", audit, """
`countersign audit` of 200 operations with the whole catalogue, against a service of the library in the same process.
Half the CPU is the time that two otherwise idle cores need; the wall clock also counts what else the machine did."""),
    ("stages", "Stages", stages, """
One call of each stage in memory, and the whole warm path, by criterion (`crates/countersign-gateway/benches/stages.rs`)."""),
]


def kept(title):
    """A section that was written by hand from a log, as it is."""
    written = machinery.HERE / "RESULTS.md"
    sections = written.read_text().split("\n## ") if written.exists() else []
    return [f"## {section}".rstrip() + "\n" for section in sections if section.startswith(title + "\n")]


def write():
    lines = ["# Results", "", "Written by the commands below (with `--keep`) from the raw figures in `bench/results/`.",
             "The bar is our goal; not reached where the figure is above it.", ""]
    for name, title, body, explanation in SECTIONS:
        path = machinery.HERE / "results" / f"{name}.json"
        if not path.exists():
            lines += kept(title)
            continue
        result = json.loads(path.read_text())
        lines += [f"## {title}", "", f"`{result['command']}` on {result['date']}, commit {result['commit']}: "
                  f"{result['machine']}.", explanation.rstrip(), "", body(result)]
    (machinery.HERE / "RESULTS.md").write_text("\n".join(lines).rstrip() + "\n")
