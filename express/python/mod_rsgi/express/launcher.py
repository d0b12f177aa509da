"""Finds rsgi-express and becomes it."""

import os
import shutil
import sys
from pathlib import Path


def find():
    """The launcher of the tree that this file is in (share/mod_rsgi/python), else the one on PATH."""
    tree = Path(__file__).resolve().parents[5]
    beside = tree / "bin" / "rsgi-express"
    if beside.is_file():
        return str(beside)
    return shutil.which("rsgi-express")


def start(arguments):
    """Replaces this process by the server; comes back only with an OSError."""
    program = find()
    if program is None:
        raise FileNotFoundError("rsgi-express is not on PATH: add the folder that it is in")
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(program, [program, "start-server", *arguments])
