"""Starting the demo: which network answers, and what is noticed before anything takes long."""

from __future__ import annotations

import importlib
import socket

import pytest

from isegm.cli.commands import parser_of
from isegm.core.errors import IsegmError
from isegm.demo.serving import check_address
from isegm.methods.checkpoints import find_checkpoint
from isegm.utils.config import load_config
from isegm.utils.files import sha256_of

pytest.importorskip("uvicorn")
pytest.importorskip("fastapi")
DEMO = importlib.import_module("isegm.cli.demo")


@pytest.mark.parametrize("words", [[], ["--checkpoint", "starter"]])
def test_the_starter_answers_unless_told_otherwise(words: list[str]) -> None:
    served = DEMO.served(parser_of("demo").parse_args(["--cpu", *words]), load_config())
    assert served.checkpoint["sha256"] == sha256_of(find_checkpoint({}, "starter"))
    assert served.protocol == {"name": "starter", "dataset": None, "label": "starter v2"}


def test_a_taken_port_is_noticed_before_anything_takes_long() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(IsegmError, match="choose another --port"):
            check_address("127.0.0.1", port)
    check_address("127.0.0.1", port)
    for host, wrong, message in (
        ("127.0.0.1", 70000, "from 1 to 65535"),
        ("no such host", 8080, "cannot listen"),
    ):
        with pytest.raises(IsegmError, match=message):
            check_address(host, wrong)
