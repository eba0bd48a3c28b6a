"""Distributions as they look when installed: modules and a metadata folder, in a folder of ``sys.path``."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path


class SitePackages:
    """A folder in front of the others on ``sys.path``, into which distributions are installed by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def install(
        self,
        distribution: str,
        version: str = "1.0",
        plugins: Mapping[str, str] | None = None,
        modules: Mapping[str, str] | None = None,
    ) -> Path:
        """Put *modules* (path → text) and a dist-info with *plugins* (name → value) there; the dist-info."""
        self.uninstall(distribution)
        for path, text in (modules or {}).items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        if plugins is not None:
            self.promise(info, plugins)
        return info

    def promise(self, info: Path, plugins: Mapping[str, str]) -> None:
        """Write the entry points of the dist-info *info*."""
        lines = ["[console_scripts]", "other = other:main", "", "[jobkit]"]
        lines += [f"{name} = {value}" for name, value in plugins.items()]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def uninstall(self, distribution: str) -> None:
        """Remove what describes *distribution*, whatever its version."""
        for info in self.folder.glob(f"{distribution.replace('-', '_')}-*.dist-info"):
            shutil.rmtree(info)


def forget_modules(below: Path) -> None:
    """Take every module out of ``sys.modules`` that was imported from below a folder."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        paths = [file] if isinstance(file, str) else [*getattr(module, "__path__", ())]
        if any(Path(path).is_relative_to(below) for path in paths if isinstance(path, str)):
            del sys.modules[name]
