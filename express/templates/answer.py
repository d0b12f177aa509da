# The beginning of what rsgi-express runs before Apache starts, as the user who will run it: answers on the standard
# output, where nothing else comes. Arguments: what it is asked about, then the entries of Python's path;
# imported is before these can put another module in a standard one's place.
import os
import site
import socket
import sys
import traceback

answer = os.dup(1)
os.dup2(2, 1)
asked, paths = sys.argv[1], sys.argv[2:]
sys.argv = ["mod_wsgi"]
usual = [entry for entry in sys.path if entry]
sys.path[:] = usual
for path in paths:
    site.addsitedir(path)
sys.path[:] = [entry for entry in sys.path if entry not in usual] + usual


def say(*lines):
    os.write(answer, "\n".join(lines).encode("utf-8", "backslashreplace"))
    os._exit(0)
