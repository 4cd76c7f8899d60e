"""Files on a Hugging Face hub, named ``hf:owner/repository/file``, and on Google Drive,
``drive:ID``.

``HF_ENDPOINT``, ``HF_HOME`` and ``HF_TOKEN`` work as everywhere.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from isegm.core.errors import IsegmError
from isegm.zoo.transfer import Unavailable

HF = "hf:"
DRIVE = "drive:"
ENDPOINT = "HF_ENDPOINT"  # of the environment: another hub than huggingface.co
EXPECTED = "expected hf:owner/repository/file, e.g. hf:somebody/my-model/model.safetensors"


def parse(name: str) -> tuple[str, str]:
    """Repository and file of ``hf:owner/repository/file``.

    Raises:
        IsegmError: the name has another form.
    """
    owner, _, rest = name[len(HF) :].partition("/")
    repository, _, file = rest.partition("/")
    if not (name.startswith(HF) and owner and repository and file):
        raise IsegmError(f"{name!r} is no name of a file on a hub; {EXPECTED}")
    return f"{owner}/{repository}", file


def from_hub(name: str) -> Path:
    """The file of ``hf:owner/repository/file`` in the hub's cache on this machine, downloaded
    unless it is there; the hub's client resumes and checks it.

    Raises:
        Unavailable: there is no such file, or no connection.
        IsegmError: the name has another form.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError

    repository, file = parse(name)
    try:
        return Path(hf_hub_download(repository, file, endpoint=os.environ.get(ENDPOINT)))
    except HFValidationError:
        raise IsegmError(f"{name!r} is no name of a file on a hub; {EXPECTED}") from None
    except Exception as error:  # its client decides which library connects, and so what is raised
        raise Unavailable(_first_line(error)) from None


def push(repository: str, files: Mapping[str, Path | bytes], private: bool) -> str:
    """Send files to a repository of models, which is made if there is none, in one commit.

    Args:
        repository: ``owner/name``.
        files: by their names there, a file here or its content.

    Returns:
        The address of the repository.

    Raises:
        IsegmError: the hub refuses or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    api = HfApi(os.environ.get(ENDPOINT))
    try:
        address = api.create_repo(repository, private=private or None, exist_ok=True)
        operations = [CommitOperationAdd(name, file) for name, file in files.items()]
        api.create_commit(repository, operations, commit_message="Model and card, by isegm push")
    except LocalTokenNotFoundError:
        raise IsegmError(
            f"{api.endpoint} wants to know who you are: run hf auth login, or set HF_TOKEN"
        ) from None
    except HfHubHTTPError as error:
        advice = ""
        if error.response.status_code in (401, 403):
            advice = "; run hf auth login, or set HF_TOKEN to a token that may write there"
        raise IsegmError(f"{api.endpoint} refuses: {_first_line(error)}{advice}") from None
    except HFValidationError as error:
        raise IsegmError(f"{repository!r} is no repository: {_first_line(error)}") from None
    except Exception as error:  # its client decides which library connects, and so what is raised
        raise IsegmError(f"{api.endpoint} cannot be reached: {_first_line(error)}") from None
    return str(address)


def from_drive(address: str, part: Path) -> None:
    """Leave the file of ``drive:ID`` in ``part``.

    Raises:
        Unavailable: the package gdown is missing, or the drive does not give the file.
    """
    try:
        import gdown
    except ImportError:
        raise Unavailable(
            "files on Google Drive need the package gdown: pip install 'isegm[drive]'"
        ) from None
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        fetched = gdown.download(id=address[len(DRIVE) :], output=str(part), resume=True)
    except (gdown.exceptions.DownloadError, OSError) as error:
        raise Unavailable(_first_line(error)) from None
    if fetched is None or not part.is_file():
        raise Unavailable("the drive does not give the file")


def copy_from_hub(address: str, part: Path) -> None:
    """Leave the file of ``hf:owner/repository/file`` in ``part``; raises as ``from_hub``."""
    cached = from_hub(address)
    part.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(cached, part)


def page(address: str) -> str:
    """Where a person finds what an address names."""
    if address.startswith(DRIVE):
        return f"https://drive.google.com/file/d/{address[len(DRIVE) :]}/view"
    return address


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
