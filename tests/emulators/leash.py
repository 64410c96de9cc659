#!/usr/bin/env python3
"""Runs a server that ends with the test that started it.

    leash.py MODULE:FUNCTION [ARGUMENT]...
    leash.py --program PROGRAM [ARGUMENT]...

The test keeps the other end of this process's standard input. When it is
closed, by the guard or because the test process died in whatever way, this
process ends at once, and takes the directory named in `SERVER_DIRECTORY` with
it, which nobody else is left to remove. A parent-death signal would not do: it fires when the
*thread* that started the child ends, and shared servers outlive the test
thread that happened to start them.
"""

import ctypes
import importlib
import os
import shutil
import signal
import subprocess
import sys
import threading


def end_with_parent():
    """Ends this process when its standard input is closed."""

    def watch():
        while os.read(0, 4096):
            pass
        if directory := os.environ.get("SERVER_DIRECTORY"):
            shutil.rmtree(directory, ignore_errors=True)
        os._exit(0)

    threading.Thread(target=watch, name="leash", daemon=True).start()


def run(program):
    """Runs a program that ends with this process, however that ends."""
    end_of_parent = 1  # PR_SET_PDEATHSIG; the thread that starts it is the one that waits
    libc = ctypes.CDLL(None)

    def end_with_us():
        libc.prctl(end_of_parent, signal.SIGKILL)

    return subprocess.Popen(program, stdin=subprocess.DEVNULL, preexec_fn=end_with_us).wait()


def main():
    if sys.argv[1:2] == ["--program"] and len(sys.argv) > 2:
        end_with_parent()
        sys.exit(run(sys.argv[2:]))
    if len(sys.argv) < 2 or ":" not in sys.argv[1]:
        sys.exit(__doc__)
    module, function = sys.argv[1].split(":", 1)
    # What the server sees is the command line that it would have on its own.
    sys.argv = [module, *sys.argv[2:]]
    end_with_parent()
    sys.exit(getattr(importlib.import_module(module), function)())


if __name__ == "__main__":
    main()
