"""`isegm bridge` of this clone, with the same flags."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.commands import run_command

if __name__ == "__main__":
    sys.exit(run_command("bridge", sys.argv[1:], "bridge.py"))
