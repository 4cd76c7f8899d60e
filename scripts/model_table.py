"""Write the table of models of README.md: published NoC@90, and apart from it what was measured.

    python scripts/model_table.py --page README.md

Published numbers come from assets/published.csv; the measured ones are those in the card of the
checkpoint that ships with the package. Without --page the table is printed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this clone's package first

from isegm.cli.running import Formatter, run  # noqa: E402
from isegm.core.errors import IsegmError  # noqa: E402
from isegm.evaluation.card import read_card  # noqa: E402
from isegm.evaluation.ledger import PublishedRow, read_ledger  # noqa: E402
from isegm.evaluation.pages import fill  # noqa: E402
from isegm.inference.protocol import load_protocol  # noqa: E402
from isegm.methods.checkpoints import find_checkpoint  # noqa: E402
from isegm.utils.files import sha256_of  # noqa: E402

DATASETS = ("GrabCut", "Berkeley", "SBD", "DAVIS")
METRIC = "NoC@90"
# One or two networks of every method: its page, and the row of the ledger (method, network,
# training set, source). Its authors' own numbers where the ledger has them.
SHOWN = (
    ("fbrs", "f-BRS-B", "HRNet-W32+OCR", "COCO+LVIS", "f-BRS README"),
    ("fcanet", "FCA-Net*(Res2Net)", "", "SBD+VOC", "FCA-Net slides"),
    ("cdnet", "CDNet", "ResNet-34", "COCO+LVIS", "ClickSEG README"),
    ("ritm", "RITM", "HRNet18s IT-M", "COCO+LVIS", "RITM README"),
    ("ritm", "RITM", "HRNet32 IT-M", "COCO+LVIS", "RITM README"),
    ("clickseg_baseline", "ClickSEG baseline", "MobileNetV2", "COCO+LVIS", "ClickSEG README"),
    ("focalclick", "FocalClick", "SegFormer-B0-S2", "COCO+LVIS", "FocSAM (CVPR 2024) table 1"),
    ("focalclick", "FocalClick", "SegFormer-B3-S2", "COCO+LVIS", "FocSAM (CVPR 2024) table 1"),
    ("fcfi", "FCFI", "HRNet18s+OCR", "COCO+LVIS", "FCFI README"),
    ("emc_click", "EMC-Click", "HRNet32", "COCO+LVIS", "MFP (CVPR 2024) table 3"),
    ("simpleclick", "SimpleClick", "ViT-B", "COCO+LVIS", "FocSAM (CVPR 2024) table 1"),
    ("simpleclick", "SimpleClick", "ViT-H", "COCO+LVIS", "FocSAM (CVPR 2024) table 1"),
    ("mfp", "MFP", "ViT-B", "COCO+LVIS", "MFP (CVPR 2024) table 3"),
    ("segnext", "SegNext", "ViT-B sax2", "COCO+LVIS", "SegNext README"),
    ("segnext", "SegNext", "ViT-B sax2", "COCO+LVIS+HQSeg-44K", "SegNext README"),
    ("click_attention", "ClickAttention", "SegFormer-B3-S2", "COCO+LVIS", "ClickAttention README"),
)
NAMES = {"FCA-Net*(Res2Net)": "FCA-Net", "ClickSEG baseline": "Light baseline"}
NETWORKS = {"FCA-Net*(Res2Net)": "Res2Net-101"}


def published_row(ledger: list[PublishedRow], page: str, *key: str) -> str:
    rows = [r for r in ledger if (r.method, r.backbone, r.train_set, r.source) == key]
    if len(rows) != 1:
        raise IsegmError(f"the ledger has {len(rows)} rows {', '.join(key)}; expected one")
    method, network, trained, source = key
    values = [rows[0].values.get((name, METRIC)) for name in DATASETS]
    cells = ["-" if value is None else f"{value:.2f}" for value in values]
    name = f"[{NAMES.get(method, method)}](docs/explanation/methods/{page}.md)"
    return line(name, NETWORKS.get(method, network), trained, *cells, source)


def measured_row(numbers: dict[str, Any]) -> str:
    """The starter under its own protocol."""
    protocol = load_protocol("starter").label
    values = {
        row["dataset"]: f"{row['metrics'][METRIC]['value']:.2f}"
        for row in numbers["rows"]
        if row["protocol"] == protocol
    }
    name = "[The starter](docs/explanation/starter.md)"
    network = f"EfficientNet-Lite0 ({numbers['parameters'] / 1e6:.1f} M)"
    cells = [values.get(name, "-") for name in DATASETS]
    file = f"`{sha256_of(find_checkpoint({}, 'starter'))[:12]}`, {protocol}"
    return line(name, network, "its own mix", *cells, file)


def line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def table() -> str:
    """The whole table as Markdown."""
    card = read_card(find_checkpoint({}, "starter"))
    if card is None:
        raise IsegmError("the starter has no card; scripts/model_card.py writes it")
    ledger = read_ledger()
    head = line("method", "network", "trained on", *DATASETS, "source")
    rule = "|---|---|---|--:|--:|--:|--:|---|"
    group = line("**published**", *[""] * 7)
    rows = [published_row(ledger, *entry) for entry in SHOWN]
    own = line("**measured here**", *[""] * 7)
    return "\n".join([head, rule, group, *rows, own, measured_row(card["numbers"])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=Formatter)
    parser.add_argument("--page", type=Path, help="the page whose block of numbers it fills")
    args = parser.parse_args()
    if args.page:
        fill(args.page, table())
    else:
        print(table())


if __name__ == "__main__":
    raise SystemExit(run(main))
