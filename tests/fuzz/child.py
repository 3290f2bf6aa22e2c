"""A run's child process: ``python -m tests.fuzz.child <plan>``."""

from __future__ import annotations

import json
import sys

from tests.fuzz import guided

if __name__ == "__main__":
    if json.loads(sys.argv[1])["is_guided"]:
        guided.follow(sys.argv[1])  # before anything else imports what is to be instrumented
    else:
        from tests.fuzz.running import plan, read_inputs

        read_inputs(plan(sys.argv[1]))
