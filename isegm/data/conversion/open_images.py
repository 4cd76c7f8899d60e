"""The list of masks of OpenImages as the pickle of arXiv 2102.06583, which saves looking up
millions of files.
"""

from __future__ import annotations

import pickle
from pathlib import Path

from isegm.core.errors import IsegmError
from isegm.data.sources.open_images import list_file, listed
from isegm.utils.files import replacing


def convert(folder: Path) -> tuple[Path, int, int]:
    """Keep the rows of the official list whose image and mask exist, in the folder of a split.

    Returns:
        The file written, and how many images and masks it lists.

    Raises:
        IsegmError: files are missing, or there is nothing to keep.
    """
    path = list_file(folder)
    if path.suffix == ".pkl":
        raise IsegmError(f"{path} is there already; remove it to make it again")
    masks = listed(path)
    if not masks:
        raise IsegmError(
            f"{path}: none of its masks has a file in {folder / 'masks'} and an image in"
            f" {folder / 'images'}"
        )
    output = folder / f"{path.stem}_clean.pkl"
    with replacing(output) as partial:
        partial.write_bytes(
            pickle.dumps(
                {"image_id_to_masks": masks, "dataset_samples": list(masks)},
                pickle.HIGHEST_PROTOCOL,
            )
        )
    return output, len(masks), sum(map(len, masks.values()))
