"""Where pip has put the program."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig


def program() -> str:
    """Return the path of the program ``batchscore`` that was installed with this package."""
    package = os.path.dirname(os.path.abspath(__file__))
    folders = [
        sysconfig.get_path("scripts"),
        os.path.join(os.path.dirname(os.path.dirname(package)), "bin"),  # pip install --prefix
        os.path.join(os.path.dirname(package), "bin"),  # pip install --target
    ]
    if sys.version_info >= (3, 10):
        folders.append(sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user")))
    for folder in folders:
        path = os.path.join(folder, "batchscore")
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    found = shutil.which("batchscore")
    if found is None:
        raise FileNotFoundError(
            "the program batchscore is neither in " + ", ".join(folders) + " nor on PATH: "
            "install the package again (pip install --force-reinstall batchscore)"
        )
    return found
