"""The backend for Label Studio, asked as Label Studio asks it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from labelers import MORE, OFF, ON, SIZE, after, data_uri, photo, png

from isegm.bridges.label_studio import Images, encoded, tags_of
from isegm.core.errors import IsegmError
from isegm.demo.limits import Limits

CONFIG = """<View>
  <Image name="img" value="$image" zoom="true"/>
  <BrushLabels name="brush" toName="img"><Label value="Cat"/><Label value="Dog"/></BrushLabels>
  <KeyPointLabels name="point" toName="img" smart="true"><Label value="Cat"/></KeyPointLabels>
</View>"""


def decoded(rle: list[int]) -> np.ndarray:
    """A reader of the format, written from its definition and bit by bit."""
    text = "".join(f"{byte:08b}" for byte in rle)
    at = 0

    def read(bits: int) -> int:
        nonlocal at
        at += bits
        return int(text[at - bits : at], 2)

    count, word = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    out: list[int] = []
    while len(out) < count:
        repeated, length = read(1), read(sizes[read(2)]) + 1
        out += [read(word)] * length if repeated else [read(word) for _ in range(length)]
    assert len(text) - at < 8
    return np.array(out).reshape(-1, 4)


def point(at: tuple[int, int], positive: bool = True, **changes) -> dict:
    """A keypoint at the middle of a pixel, in percent."""
    x, y = 100 * (at[0] + 0.5) / SIZE[1], 100 * (at[1] + 0.5) / SIZE[0]
    value = {"x": x, "y": y, "width": 0.3, "keypointlabels": ["Cat"], "labels": ["Cat"]}
    common = {"original_width": SIZE[1], "original_height": SIZE[0], "image_rotation": 0}
    names = {"from_name": "point", "to_name": "img", "type": "keypointlabels", "id": "x1"}
    return {
        **common,
        **names,
        "value": value,
        "is_positive": positive,
        "origin": "manual",
    } | changes


def asked(*points: dict, image: object = None, **changes) -> dict:
    """The request of Label Studio's ``make_predictions``."""
    data = {"image": data_uri(photo()) if image is None else image}
    context = {"context": {"result": list(points)} if points else None}
    body = {"tasks": [{"id": 7, "data": data, "annotations": []}], "model_version": "x"}
    body |= {"project": "1.1700000000", "label_config": CONFIG}
    return body | {"params": {"login": None, "password": None, **context}} | changes


def region(answer) -> dict | None:
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["results"]
    assert found["model_version"].startswith("isegm discs.safetensors")
    return found["result"][0] if found["result"] else None


def mask_of(answer) -> np.ndarray:
    got = region(answer)
    assert (got["from_name"], got["to_name"], got["type"]) == ("brush", "img", "brushlabels")
    assert got["value"]["brushlabels"] == ["Cat"]
    assert (got["original_height"], got["original_width"]) == SIZE
    channels = decoded(got["value"]["rle"])
    assert (channels == channels[:, :1]).all()
    assert set(np.unique(channels)) <= {0, 255}
    return channels[:, 3].reshape(SIZE) > 0


def test_click_correct_and_undo(server) -> None:
    client = server("label-studio")
    assert client.get("/health").json()["status"] == "UP"
    setup = {"project": "1.17", "schema": CONFIG, "hostname": "", "access_token": ""}
    assert client.post("/setup", json=setup).json()["model_version"].startswith("isegm")
    points = [point(ON), point(MORE), point(OFF, False)]
    steps = [(ON, True), (MORE, True), (OFF, False)]
    for count in (1, 2, 3, 2):  # the last one: undo
        answer = client.post("/predict", json=asked(*points[:count]))
        assert (mask_of(answer) == after(*steps[:count])).all()


def test_without_keypoints_nothing_is_predicted(server) -> None:
    client = server("label-studio")
    assert client.post("/predict", json=asked()).json()["results"] == []
    assert client.post("/predict", json=asked(tasks=[])).json()["results"] == []
    assert region(client.post("/predict", json=asked(point(ON, False)))) is None


@pytest.mark.parametrize("seed", range(4))
def test_masks_survive_their_encoding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((37, 23)) > (0.5, 0.98, 0.02, 0)[seed]
    assert (decoded(encoded(mask)).reshape(37, 23, 4) == 255 * mask[..., None]).all()
    large = np.zeros((300, 400), bool)  # runs longer than a length can say
    large[100:250, :] = seed % 2
    assert (decoded(encoded(large))[:, 3].reshape(300, 400) == 255 * large).all()


def test_label_studio_reads_the_masks(server) -> None:
    brush = pytest.importorskip("label_studio_sdk.converter.brush")
    answer = server("label-studio").post("/predict", json=asked(point(ON), point(OFF, False)))
    result = region(answer)
    flat = brush.decode_rle(result["value"]["rle"])
    mask = np.reshape(flat, [*SIZE, 4])[:, :, 3]
    assert (mask == 255 * after((ON, True), (OFF, False))).all()
    exported = brush.decode_from_annotation("brush", [{**result, **result["value"]}])
    assert (next(iter(exported.values())) == mask).all()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ([], "expected an object with the field tasks"),
        ({}, "tasks: expected a list, got nothing"),
        (asked(point(ON), label_config="<View"), "no XML"),
        (asked(point(ON), label_config="<!DOCTYPE a [<!ENTITY b 'c'>]><View/>"), "declaration"),
        (asked(point(ON), label_config="<View/>"), "needs an Image"),
        (asked(point(ON), tasks=[1, 2]), "2 tasks"),
        (asked(point(ON), tasks=[1]), "expected an object with the field data"),
        (asked(point(ON), tasks=[{"data": {"video": "a"}}]), "image: expected text"),
        (asked(point(ON), image=3), "image: expected text"),
        (asked(point(ON), image="/etc/passwd"), "not from anywhere known"),
        (asked(point(ON), image="file:///etc/passwd"), "not from anywhere known"),
        (asked(point(ON), image="http://169.254.169.254/x"), "not from anywhere known"),
        (asked(point(ON, type="brushlabels")), "keypoints only"),
        (asked(point(ON, is_positive="yes")), "is_positive 'yes'"),
        (asked(point(ON, image_rotation=90)), "rotated by 90"),
        (asked(point((170, 10))), "outside the image"),
        (asked(point(ON, value={"x": "a", "y": 1})), "x: expected a number, got text"),
        (asked(point(ON, value={"x": 1, "y": 1, "keypointlabels": []})), "name of a label"),
        (asked(params={"context": {"result": "x"}}), "result: expected a list"),
    ],
)
def test_wrong_requests_are_refused_in_one_line(server, body: object, said: str) -> None:
    answer = server("label-studio").post("/predict", json=body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert said in error
    assert "\n" not in error
    assert len(error) < 400


def test_broken_and_large_requests_are_refused(server) -> None:
    client = server("label-studio", upload_bytes=100_000, pixels=1000)
    for body in (b"", b"{", b"[" * 90_000):
        assert client.post("/predict", content=body).status_code == 400
    assert client.post("/predict", content=b"x" * 100_001).status_code == 413
    assert "at most 1,000 pixels" in client.post("/predict", json=asked(point(ON))).json()["error"]


def test_images_of_a_folder_are_read_by_their_names_and_nothing_else(
    server, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for place in (folder / "a b.png", tmp_path / "secret.png"):
        place.write_bytes(png(photo()))
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    client = server("label-studio", "--images", str(folder))
    for image in ("/data/local-files/?d=a%20b.png", "http://x.test/photos/a b.png", "a b.png"):
        assert mask_of(client.post("/predict", json=asked(point(ON), image=image))).any()
    for image in ("../secret.png", "link.png", "/data/local-files/?d=../secret.png", "", "."):
        answer = client.post("/predict", json=asked(point(ON), image=image))
        assert answer.status_code == 400


class Studio(http.server.BaseHTTPRequestHandler):
    """Pages of a Label Studio: an image for those who may see it, and a way out."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._say(200 if b"a.b.c" in body else 401, b'{"access": "fresh"}')

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/data/1.png")
            self.end_headers()
            return
        allowed = self.headers["Authorization"] in ("Token old", "Bearer fresh")
        self._say(200 if allowed else 401, png(photo()))

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def studio() -> Iterator[http.server.HTTPServer]:
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Studio)
    served.asked = []
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield served
    served.shutdown()
    served.server_close()


def test_images_come_from_one_label_studio_and_no_other_place(studio) -> None:
    host = f"http://127.0.0.1:{studio.server_port}"
    for key in ("old", "a.b.c"):  # a legacy token, and a personal one that is exchanged
        images = Images(host, key, None, Limits())
        assert (images.read("/data/1.png") == photo()).all()
        assert (images.read(f"{host}/data/1.png?x=ä ö") == photo()).all()
    before = len(studio.asked)
    images.read("/data/1.png")
    assert len(studio.asked) == before  # kept
    for address in (
        f"http://localhost:{studio.server_port}/data/1.png",
        f"http://127.0.0.1@localhost:{studio.server_port}/data/1.png",
        f"//localhost:{studio.server_port}/data/1.png",
        "file:///etc/hostname",
        "ftp://127.0.0.1/data/1.png",
    ):
        with pytest.raises(IsegmError, match="is not from http"):
            images.read(address)
    with pytest.raises(IsegmError, match="302"):
        images.read("/away")
    assert studio.asked[before:] == ["/away"]
    for key in ("", "wrong", "x.y.z"):
        with pytest.raises(IsegmError, match="LABEL_STUDIO_API_KEY"):
            Images(host, key, None, Limits()).read("/data/1.png")
    with pytest.raises(IsegmError, match="larger than"):
        Images(host, "old", None, Limits(upload_bytes=100)).read("/data/1.png")


def test_the_host_must_be_an_address(server) -> None:
    with pytest.raises(IsegmError, match=r"expected e\.g\. http"):
        server("label-studio", "--label-studio", "localhost:8080")
    assert tags_of(CONFIG) == ("brush", "img", "image")
