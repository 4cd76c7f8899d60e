"""A hub on this machine: models are pushed to it with their cards, and used from it by name."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

import isegm
from isegm.cli import download, push
from isegm.cli.commands import parser_of
from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.evaluation.hub_card import hub_card
from isegm.methods.checkpoints import add_metadata, find_checkpoint, save_model
from isegm.methods.ritm import ritm_hrnet
from isegm.zoo.hub import parse

TINY = ritm_hrnet(width=8, depth="tiny", ocr_width=16)
COMMIT = "0" * 40


class Hub(ThreadingHTTPServer):
    """As much of a hub as a push and a download need.

    Attributes:
        repositories: ``owner/name`` to its files.
        private: those that were made private.
        token: what clients must send.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: set[str] = set()
        self.token = "secret"


class HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            self.answer({"error": "Invalid credentials"}, 401)
        elif self.path == "/api/repos/create":
            self.create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            named = [file["path"] for file in json.loads(body)["files"]]
            plain = {"uploadMode": "regular", "shouldIgnore": False}
            self.answer({"files": [{"path": name, **plain} for name in named]})
        elif "/commit/" in self.path:
            self.commit([json.loads(line) for line in body.splitlines()])
        else:
            self.answer({"error": "not here"}, 404)

    def create(self, asked: dict) -> None:
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        self.server.repositories.setdefault(name, {})
        if asked.get("private") or asked.get("visibility") == "private":
            self.server.private.add(name)
        self.answer({"url": f"http://127.0.0.1:{self.server.server_port}/{name}", "name": name})

    def commit(self, lines: list[dict]) -> None:
        files = self.server.repositories["/".join(self.path.split("/")[3:5])]
        for line in lines:
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        address = f"http://127.0.0.1:{self.server.server_port}/x/y/commit/{COMMIT}"
        self.answer({"commitUrl": address, "commitOid": COMMIT, "success": True})

    def do_HEAD(self) -> None:
        self.resolve(send=False)

    def do_GET(self) -> None:
        self.resolve(send=True)

    def resolve(self, send: bool) -> None:
        owner, name, _, _, file = [*self.path.strip("/").split("/", 4), *[""] * 5][:5]
        content = self.server.repositories.get(f"{owner}/{name}", {}).get(file)
        if content is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if send:
            self.wfile.write(content)

    def answer(self, value: dict, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_model(tmp_path / "model.safetensors", build(TINY), TINY)
    return tmp_path / "model.safetensors"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An empty cache, a token, and the working folder of the model."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def address(hub: Hub) -> str:
    return f"http://127.0.0.1:{hub.server_port}"


def run(command: ModuleType, *words: object) -> int | None:
    name = command.__name__.rpartition(".")[2]
    return command.main(parser_of(name).parse_args([str(word) for word in words]))


def test_pushed_and_used_by_name(
    hub: Hub, model: Path, client: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    client.setenv("HF_ENDPOINT", address(hub))
    run(push, model, "hf:me/net", "--private", "--license", "mit")
    sent = hub.repositories["me/net"]
    assert sent["model.safetensors"] == model.read_bytes()
    assert b"license: mit" in sent["README.md"]
    assert hub.private == {"me/net"}
    assert "--checkpoint hf:me/net/model.safetensors" in capsys.readouterr().out

    engine = isegm.Engine("hf:me/net/model.safetensors", device="cpu")
    image = np.zeros((60, 80, 3), np.uint8)
    assert engine.predict([40], [30], [True], image).shape == (60, 80)
    assert run(download, "hf:me/net/model.safetensors") == 0
    with pytest.raises(IsegmError, match=r"hf:me/net/other could not be downloaded: .*404"):
        find_checkpoint({}, "hf:me/net/other")


def test_a_hub_that_does_not_know_me(hub: Hub, model: Path, client: pytest.MonkeyPatch) -> None:
    client.setenv("HF_ENDPOINT", address(hub))
    client.setenv("HF_TOKEN", "wrong")
    with pytest.raises(IsegmError, match=f"{address(hub)} refuses: .*; run hf auth login, or set"):
        run(push, model, "hf:me/net")


def test_no_hub_there(model: Path, client: pytest.MonkeyPatch) -> None:
    client.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(IsegmError, match=r"http://127.0.0.1:1 cannot be reached: "):
        run(push, model, "hf:me/net")
    with pytest.raises(IsegmError, match=r"hf:me/net/x.safetensors could not be downloaded: "):
        find_checkpoint({}, "hf:me/net/x.safetensors")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("model.safetensors", "me/net"), "'me/net' is no repository of a hub; expected hf:"),
        (("model.safetensors", "hf:me/net/x"), "expected hf:owner/repository"),
        (("net.pth", "hf:me/net"), "expected a .safetensors, which holds no code; run: isegm conv"),
        (("nothing", "hf:me/net"), "unknown checkpoint"),
        (("model.safetensors", "hf:me/net", "--card", "no.md"), "--card no.md: there is no such"),
    ],
)
def test_mistakes(
    words: tuple[str, ...],
    said: str,
    model: Path,
    tmp_path: Path,
    client: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "net.pth").write_bytes(b"x")
    with pytest.raises(IsegmError) as error:
        run(push, *words)
    assert said in str(error.value)


@pytest.mark.parametrize("name", ["hf:me", "hf:me/net", "hf:/net/file", "me/net/file"])
def test_names_of_another_form(name: str) -> None:
    with pytest.raises(IsegmError, match="expected hf:owner/repository/file"):
        parse(name)


def test_a_file_in_a_folder() -> None:
    assert parse("hf:me/net/a/b.pth") == ("me/net", "a/b.pth")


class TestCard:
    def front(self, card: str) -> dict:
        _, head, _ = card.split("---\n", 2)
        return yaml.safe_load(head)

    def test_what_the_checkpoint_says(self, model: Path) -> None:
        row = {"dataset": "GrabCut", "protocol": "ritm v1", "mode": "NoBRS", "objects": 50}
        row |= {"images": 50, "metrics": {"NoC@90": {"value": 2.0, "low": 1.5, "high": 2.5}}}
        numbers = {"sha256": "ab" * 32, "parameters": 12, "bytes": 48, "rows": [row], "speed": None}
        card = {"schema": 1, "sections": {"Limits": "It is small."}, "numbers": numbers}
        add_metadata(model, {"card": json.dumps(card)})
        text = hub_card(model, "hf:me/net", "apache-2.0")
        front = self.front(text)
        assert front["license"] == "apache-2.0"
        assert "datasets" not in front  # a hub reads it as training data
        assert front["metrics"] == ["NoC@90"]
        assert "isegm" in front["tags"]
        for part in (
            "# net\n",
            "It is small.",
            "2.00 [1.50, 2.50]",
            "hf:me/net/model.safetensors",
        ):
            assert part in text

    def test_without_numbers(self, model: Path) -> None:
        text = hub_card(model, "hf:me/net", "other")
        assert "Not evaluated yet." in text
        assert "metrics" not in self.front(text)

    def test_a_card_of_mine(self, model: Path) -> None:
        assert hub_card(model, "hf:me/net", "mit", "# Mine\n").endswith("---\n\n# Mine\n")
        whole = "---\nlicense: mit\n---\n# Mine\n"
        assert hub_card(model, "hf:me/net", "other", whole) == whole

    def test_a_file_without_a_spec(self, tmp_path: Path) -> None:
        from safetensors.numpy import save_file

        save_file({"a": np.zeros(2)}, tmp_path / "x.safetensors")
        with pytest.raises(IsegmError, match="has no spec of its network"):
            hub_card(tmp_path / "x.safetensors", "hf:me/net", "mit")
