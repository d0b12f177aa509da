"""The command line of ci/bench."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from tables import DAEMON, EMBEDDED, Table
from workloads import BY_NAME

ABOUT = """\
Compares mod_rsgi with what else serves WSGI applications, side by side in one run: the rounds
are interleaved and their medians reported, ratios first. Figures: requests a second, median and
99th percentile latency, processor time of the server's processes per request, memory."""

ENVIRONMENT = """\
environment:
  RSGI_BENCH_PYTHON  the Python of all servers (default: /usr/bin/python3)
  RSGI_EXPRESS       the launcher (default: target/dist/bin/rsgi-express)
  RSGI_MODULE        the folder or file of mod_rsgi.so (default: target/dist/modules)
  RSGI_BENCH_DIR     where servers to compare with are built (default: target/bench)"""


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    is_daemon: bool
    is_express: bool
    is_gil: bool
    workloads: tuple[str, ...]
    servers: tuple[str, ...]
    rounds: int
    seconds: int
    is_short: bool
    has_memory: bool
    is_check: bool
    json_path: Path | None
    python: str

    @property
    def table(self) -> Table:
        """The comparison to make."""
        return DAEMON if self.is_daemon else EMBEDDED

    @property
    def json_name(self) -> str:
        """The file of the figures, where no other is given."""
        if self.is_express:
            return "result-express.json"
        if self.is_gil:
            return "result-gil.json"
        return "result-daemon.json" if self.is_daemon else "result.json"


def _names(known: tuple[str, ...]):
    """A converter for lists of names with commas; a name's beginning is enough."""

    def convert(text: str) -> tuple[str, ...]:
        found: list[str] = []
        for part in filter(None, (part.strip() for part in text.split(","))):
            exact = [name for name in known if name == part]
            matches = exact or [name for name in known if name.startswith(part)]
            if not matches:
                raise argparse.ArgumentTypeError(f"{part}: not one of {', '.join(known)}")
            found += [name for name in matches if name not in found]
        return tuple(found)

    return convert


def _at_least_one(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: must be 1 or more")
    return value


def parse(arguments: list[str]) -> Options:
    """Reads the command line; ends the program on a wrong one."""
    parser = argparse.ArgumentParser(
        prog="ci/bench",
        description=ABOUT,
        epilog=ENVIRONMENT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    names = tuple(BY_NAME)
    known = tuple(dict.fromkeys(EMBEDDED.servers + DAEMON.servers))
    add("--daemon", action="store_true", help="process groups instead of embedded mode")
    add("--express", action="store_true", help="the launchers: start, memory, reloading")
    add("--gil", action="store_true", help="pure Python on all cores of one process")
    add("--short", action="store_true", help="under three minutes: less of everything")
    add("--only", type=_names(names), metavar="NAMES", help=f"workloads: {', '.join(names)}")
    add("--servers", type=_names(known), metavar="NAMES", help=f"{', '.join(known)}")
    add("--rounds", type=_at_least_one, metavar="N", help="rounds (default: 5; short: 3)")
    add("--seconds", type=_at_least_one, metavar="N", help="per measurement (2; short: 1)")
    add("--no-memory", action="store_true", help="leave out memory of children and growth")
    add("--check", action="store_true", help="end with code 1 if a required ratio is missed")
    add("--json", type=Path, metavar="PATH", help="where the JSON goes (result.json)")
    given = parser.parse_args(arguments)
    table = DAEMON if given.daemon else EMBEDDED
    asked = given.only or (table.short if given.short else table.workloads)
    if given.daemon:
        asked = tuple(name if name in table.workloads else f"d-{name}" for name in asked)
    return Options(
        is_daemon=given.daemon,
        is_express=given.express,
        is_gil=given.gil,
        workloads=tuple(name for name in asked if name in table.workloads),
        servers=tuple(name for name in given.servers or table.servers if name in table.servers),
        rounds=given.rounds or (3 if given.short else 5),
        seconds=given.seconds or (1 if given.short else 2),
        is_short=given.short,
        has_memory=not given.no_memory and given.only is None,
        is_check=given.check,
        json_path=given.json,
        python=os.environ.get("RSGI_BENCH_PYTHON", "/usr/bin/python3"),
    )
