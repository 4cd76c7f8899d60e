"""Images as cameras, scanners and web pages make them: each opens upright, with the colours that
the network sees.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from demo_server import png
from fastapi.testclient import TestClient
from PIL import Image

from isegm.data.reading import decode_image

ORIENTATION = 0x0112  # the EXIF tag
HEIGHT, WIDTH = 60, 80


def scene() -> np.ndarray:
    """Four colours in four quarters: turned or swapped ones are noticed."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:30, :40], pixels[:30, 40:] = (200, 40, 40), (40, 180, 60)
    pixels[30:, :40], pixels[30:, 40:] = (50, 60, 190), (220, 210, 60)
    return pixels


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def rotated() -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # shown turned clockwise by a quarter
    return saved(Image.fromarray(scene()).rotate(90, expand=True), "JPEG", quality=95, exif=exif)


def transparent() -> bytes:
    return png(np.dstack([scene(), np.full((HEIGHT, WIDTH), 90, np.uint8)]))


def sixteen_bit() -> bytes:
    return cv2.imencode(".png", scene()[:, :, ::-1].astype(np.uint16) * 257)[1].tobytes()


def animated(kind: str) -> bytes:
    frames = [Image.fromarray(pixels) for pixels in (scene(), 255 - scene())]
    return saved(
        frames[0],
        kind,
        save_all=True,
        append_images=frames[1:],
        **({"lossless": True} if kind == "WEBP" else {}),
    )


FILES: dict[str, Callable[[], bytes]] = {
    "cmyk.jpg": lambda: saved(Image.fromarray(scene()).convert("CMYK"), "JPEG", quality=95),
    "gray.png": lambda: saved(Image.fromarray(scene()).convert("L"), "PNG"),
    "palette.png": lambda: saved(
        Image.fromarray(scene()).convert("P", palette=Image.Palette.ADAPTIVE), "PNG"
    ),
    "transparent.png": transparent,
    "sixteen bit.png": sixteen_bit,
    "rotated.jpg": rotated,
    "animated.png": lambda: animated("PNG"),
    "animated.webp": lambda: animated("WEBP"),
    "pages.tiff": lambda: animated("TIFF"),
    "progressive.jpg": lambda: saved(
        Image.fromarray(scene()), "JPEG", quality=95, progressive=True
    ),
    "plain.bmp": lambda: saved(Image.fromarray(scene()), "BMP"),
}


@pytest.mark.parametrize("name", FILES)
def test_it_opens_upright_in_its_colours(client: TestClient, name: str) -> None:
    data = FILES[name]()
    answer = client.post("/api/sessions", files={"image": (name, data)})
    assert answer.status_code == 200, answer.text
    state = answer.json()
    assert (state["image"]["height"], state["image"]["width"]) == (HEIGHT, WIDTH)
    shown = np.array(
        Image.open(io.BytesIO(client.get(f"/api/sessions/{state['id']}/image").content))
    )
    assert (shown == decode_image(data, name)).all()  # what the network sees
    expected = (
        np.array(Image.fromarray(scene()).convert("L").convert("RGB"))
        if name.startswith("gray")
        else scene()
    )
    centres = np.ix_((15, 45), (20, 60))
    assert np.abs(shown[centres].astype(int) - expected[centres]).max() <= 12
    click = client.post(
        f"/api/sessions/{state['id']}/clicks",
        json={"y": HEIGHT - 1, "x": WIDTH - 1, "positive": True},
    )
    assert click.json()["current"]["area"] > 0


@pytest.mark.parametrize("kind", ["GIF", "ICO", "PPM"])
def test_other_formats_are_named_as_such(client: TestClient, kind: str) -> None:
    answer = client.post(
        "/api/sessions", files={"image": ("picture", saved(Image.fromarray(scene()), kind))}
    )
    assert answer.status_code == 400
    assert "expected one of JPEG, PNG, BMP, TIFF, WEBP" in answer.json()["error"]


def test_nothing_is_unpickled(client: TestClient) -> None:
    for path, field in (("/api/sessions", "image"), ("/api/sessions/replay", "session")):
        answer = client.post(
            path, files={field: ("a.pkl", pickle.dumps({"kind": "isegm session"}))}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
