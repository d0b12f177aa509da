"""How many turns of the busy loop take one millisecond; counted once, outside all servers.

Each server then does the same work, however fast its interpreter runs it.
"""

import subprocess

from prepare import HERE, Missing, run

PROBE = """
import sys, time
sys.dont_write_bytecode = True
source = open(sys.argv[1], encoding="utf-8").read()
start = source.index("def burn")
exec(source[start:source.index("def _flask")])
turns = 50000
best = min(
    (lambda began: (burn(turns), time.perf_counter() - began)[1])(time.perf_counter())
    for _ in range(9)
)
print(round(turns * 0.001 / best))
"""


def iterations_per_millisecond(python: str) -> int:
    """The turns of bench_app.burn that take one millisecond when nothing disturbs them."""
    command = [python, "-I", "-c", PROBE, str(HERE / "bench_app.py")]
    try:
        return int(run(command, HERE, "the calibration"))
    except (ValueError, subprocess.SubprocessError, FileNotFoundError) as error:
        raise Missing(f"{python} cannot be run: {error}") from error
