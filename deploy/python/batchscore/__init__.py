"""Score every image of a large collection, and read the result into a table.

The package brings the program ``batchscore`` for the command line. In Python::

    import batchscore
    df = batchscore.read("result")
"""

from ._program import program
from ._read import read

__all__ = ["program", "read"]
