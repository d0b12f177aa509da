"""The report: ratios first, then the table, then memory; and the same as JSON."""

import json
import os
import platform
import time
from dataclasses import asdict
from pathlib import Path

from options import Options
from ratios import TOLERANCE, Ratio
from results import Results
from workloads import BY_NAME

# Above this share the machine was not ours alone.
QUIET = 0.05
DISTURBED = """\
DISTURBED: other processes used {share:.0%} of the machine; rates and latencies say little."""


def text(options: Options, results: Results, ratios: list[Ratio]) -> str:
    """The whole report."""
    parts = [ratio_lines(ratios), _table(options, results)]
    if (foreign := results.foreign()) > QUIET:
        parts.insert(0, DISTURBED.format(share=foreign))
    if results.memory:
        parts.append(_memory(results))
    if results.child_memory:
        parts.append(_children(results))
    if results.growth:
        parts.append(_growth(results))
    if results.absent:
        lines = [f"  {name}: {reason}" for name, reason in results.absent.items()]
        parts.append("Not measured\n" + "\n".join(lines))
    if results.daemon_memory:
        parts.append(_daemons(results))
    parts.append(options.table.settings)
    return "\n\n".join(parts) + "\n"


def ratio_lines(ratios: list[Ratio]) -> str:
    """What is required and what came out."""
    lines = [f"Required ratios (near: missed by less than {TOLERANCE:.0%})"]
    for ratio in ratios:
        sign = ">=" if ratio.is_at_least else "<="
        digits = {"": 2, "s": 2, "MB": 1}.get(ratio.unit, 0)
        value = "-" if ratio.value is None else f"{ratio.value:.{digits}f}"
        target = f"{sign} {ratio.target:.{digits}f} {ratio.unit}"
        lines.append(f"  {ratio.name:<52}{value:>8}  {target:<13} {ratio.mark}")
    return "\n".join(lines)


def _table(options: Options, results: Results) -> str:
    lines = [f"Medians of {options.rounds} rounds of {options.seconds} s"]
    head = f"  {'':<20}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU us':>9}{'':>9}"
    for name in options.workloads:
        rows = [row for row in results.cells if row[0] == name]
        if not rows:
            continue
        lines += [BY_NAME[name].title, head]
        own = results.value(name, options.table.own, "rate")
        lines += [_row(results, row, own) for row in rows]
    return "\n".join(lines)


def _row(results: Results, row: tuple[str, str], own: float | None) -> str:
    cell = results.cells[row]
    if cell.rate is None or cell.p50_us is None or cell.p99_us is None or cell.cpu_us is None:
        return f"  {row[1]:<20}  broken: {cell.error}"
    ratio = f"x{cell.rate / own:.2f}" if own else ""
    return (
        f"  {row[1]:<20}{cell.rate:>9.0f}{cell.p50_us / 1000:>9.2f}"
        f"{cell.p99_us / 1000:>9.2f}{cell.cpu_us:>9.1f}{ratio:>9}"
    )


def _memory(results: Results) -> str:
    lines = ["Memory of the whole server, MB, before and after all rounds"]
    lines.append(f"  {'':<20}{'RSS':>9}{'after':>9}{'PSS':>9}{'after':>9}")
    for name, (before, after) in results.memory.items():
        cells = (before.rss, after.rss, before.pss, after.pss)
        lines.append(f"  {name:<20}" + "".join(f"{cell / 1024:>9.1f}" for cell in cells))
    return "\n".join(lines)


def _children(results: Results) -> str:
    lines = ["Memory of one Apache child with 25 threads, MB, after a second of load"]
    lines.append("(idle: the module is loaded, static files are served, nothing needs Python)")
    lines.append(f"  {'':<20}{'RSS':>9}{'PSS':>9}{'private':>9}")
    for name, memory in results.child_memory.items():
        cells = (memory.rss, memory.pss, memory.private)
        lines.append(f"  {name:<20}" + "".join(f"{cell / 1024:>9.2f}" for cell in cells))
    return "\n".join(lines)


def _daemons(results: Results) -> str:
    lines = ["Memory of one idle daemon process after one request, MB"]
    lines.append(f"  {'':<20}{'RSS':>9}{'PSS':>9}{'private':>9}")
    for name, memory in results.daemon_memory.items():
        cells = (memory.rss, memory.pss, memory.private)
        lines.append(f"  {name:<20}" + "".join(f"{cell / 1024:>9.2f}" for cell in cells))
    return "\n".join(lines)


def _growth(results: Results) -> str:
    lines = ["Growth of one child by hello requests, after 20,000 to warm up"]
    for name, growth in results.growth.items():
        if growth.error:
            lines.append(f"  {name:<20}  broken: {growth.error}")
            continue
        lines.append(
            f"  {name:<20}{growth.requests:>9,} requests: RSS {growth.rss:+} KiB, private"
            f" {growth.private:+} KiB, descriptors {growth.open_files:+},"
            f" threads {growth.threads:+}"
        )
    return "\n".join(lines)


def write_json(path: Path, options: Options, results: Results, ratios: list[Ratio]) -> None:
    """Writes everything, each round included."""
    cells = []
    for (workload, server), cell in results.cells.items():
        entry: dict = {"workload": workload, "server": server, "error": cell.error}
        for what in ("rate", "p50_us", "p99_us", "cpu_us"):
            entry[what] = getattr(cell, what)
        entry["rounds"] = [sample.as_json() for sample in cell.samples]
        cells.append(entry)
    memory = {
        name: {"before": asdict(before), "after": asdict(after)}
        for name, (before, after) in results.memory.items()
    }
    document = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"processors": os.cpu_count(), "kernel": platform.release()},
        "foreign_share": results.foreign(),
        "rounds": options.rounds,
        "seconds": options.seconds,
        "ratios": [{**asdict(ratio), "mark": ratio.mark} for ratio in ratios],
        "cells": cells,
        "memory_kib": memory,
        "child_memory_kib": {name: asdict(one) for name, one in results.child_memory.items()},
        "daemon_memory_kib": {name: asdict(one) for name, one in results.daemon_memory.items()},
        "growth_kib": {name: asdict(one) for name, one in results.growth.items()},
        "absent": results.absent,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
