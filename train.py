"""`isegm train` of this clone, with the same flags."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # this clone's package first

from isegm.cli.commands import run_command

if __name__ == "__main__":
    sys.exit(run_command("train", sys.argv[1:], "train.py"))
