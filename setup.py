"""What pyproject.toml cannot say: a wheel carries copies of those files of the repository that
isegm reads at run time.

They lie in ``isegm/shipped`` of the wheel (and nowhere in a clone); ``isegm/utils/config.py`` finds
them.
"""

from glob import glob
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PHOTOS = ("README.md", "*.jpg", "masks/*.png")
ASSETS = ["assets/published.csv", "assets/starter.safetensors", "assets/zoo.yml"]
SHIPPED = ["config.yml", *ASSETS, *sorted(glob("configs/eval/*.yml"))]
SHIPPED += [name for pattern in PHOTOS for name in sorted(glob(f"assets/photos/{pattern}"))]


class BuildWithShipped(build_py):
    """``build_py``, and the files of SHIPPED; an editable install reads them where they are."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for name, built in zip(SHIPPED, self._shipped(), strict=True):
                self.mkpath(str(Path(built).parent))
                self.copy_file(name, built)

    def get_source_files(self) -> list[str]:
        return [*super().get_source_files(), *SHIPPED]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), *self._shipped()]

    def _shipped(self) -> list[str]:
        return [str(Path(self.build_lib, "isegm", "shipped", name)) for name in SHIPPED]


setup(cmdclass={"build_py": BuildWithShipped})
