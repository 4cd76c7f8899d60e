"""What tests of the demo's API ask for, and what they make of the answers."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from PIL import Image


def opened(client: TestClient, photo: bytes, name: str = "photo.png") -> str:
    answer = client.post("/api/sessions", files={"image": (name, photo)})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def do(client: TestClient, key: str, action: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/api/sessions/{key}/{action}", json=body or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


def click(client: TestClient, key: str, y: float, x: float, positive: bool = True) -> np.ndarray:
    return mask_of(do(client, key, "clicks", y=y, x=x, positive=positive))


def mask_of(state: dict[str, Any]) -> np.ndarray:
    return pixels(base64.b64decode(state["current"]["mask"])) > 0


def pixels(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)).convert("L"))


def refused(answer: Any, status: int, code: str) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == code
    return answer.json()["error"]


def recorded(client: TestClient, photo: bytes) -> tuple[str, bytes]:
    key = opened(client, photo)
    click(client, key, 40, 40)
    click(client, key, 45, 60, positive=False)
    do(client, key, "finish")
    client.put(f"/api/sessions/{key}/settings", json={"threshold": 0.3})
    click(client, key, 80, 110)
    return key, client.get(f"/api/sessions/{key}/export/session.json").content
