"""The package page shows README.md, with links that lead into the repository from there."""

import re
import tomllib
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
repository = project["urls"]["Repository"]
text = (HERE / "README.md").read_text(encoding="utf-8")
pictures = f"{repository.replace('//github.com', '//raw.githubusercontent.com')}/main/"
text = re.sub(r'((?:!\[[^\]]*\]\(|src="|srcset="))(?!https?://)', rf"\g<1>{pictures}", text)
text = re.sub(r"(?<!!)(\[[^\]!]*\]\()(?!https?://|#)", rf"\g<1>{repository}/blob/main/", text)

setup(long_description=text, long_description_content_type="text/markdown")
