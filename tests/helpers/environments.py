"""Distributions as their users meet them: built and installed by pip, in an environment that is thrown away."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path


class Environment:
    """A virtual environment that sees what this one has, so that nothing heavy is installed again."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.bin = folder / "bin"
        self._python = self.bin / "python"
        here = sysconfig.get_path("purelib")
        # a plain path in a .pth would not be searched for further .pth files, such as those of editable installs
        (self._site(folder) / "beside.pth").write_text(f"import site; site.addsitedir({here!r})\n")
        for name in ("xaikit", "pip", "pytest"):
            script = self.bin / name
            script.write_text(f'#!/bin/sh\nexec "{self._python}" -m {name} "$@"\n')
            script.chmod(0o755)

    def _site(self, folder: Path) -> Path:
        return Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))

    def sh(self, lines: str, cwd: Path, fails: bool = False) -> str:
        """What the shell lines print, to stdout and stderr; they have to succeed, or to fail."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", lines],
            cwd=cwd,
            env=os.environ | self._variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert bool(done.returncode) == fails, f"{lines}\n{done.stdout}"
        return done.stdout

    def _variables(self) -> dict[str, str]:
        return {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": "",
            "COLUMNS": "200",
            # everything that is needed is there: nothing is asked of an index
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it the other way round: 0 is without isolation
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_QUIET": "1",
        }
