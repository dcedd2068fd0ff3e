"""Run a notebook from top to bottom; fail with its first error.

python -m tests.run_notebook notebooks/01-quickstart.ipynb
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def run(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    )
    client.execute()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        run(Path(name))
