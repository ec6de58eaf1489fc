"""Let the programs of a virtual environment find its Python by their own path, so that it can be moved.

    python relocate.py VENV

What pip installs starts with the absolute path of the environment's Python. Scripts to activate the environment hold
its path too and are removed: what is installed is activated by its module.
"""

import re
import sys
from pathlib import Path

# For sh, the second line runs the file with the Python beside it; for Python, it is a string.
HEAD = b"""#!/bin/sh
'''exec' "$(dirname "$(readlink -f "$0")")/python" "$0" "$@"
' '''
"""


def relocate(venv: Path) -> None:
    """Rewrite the programs in `venv/bin`."""
    for path in (venv / "bin").iterdir():
        if path.name.lower().startswith("activate"):
            path.unlink()
        elif path.is_file() and not path.is_symlink():
            text = path.read_bytes()
            python = re.escape(bytes(venv / "bin")) + rb"/python[0-9.]*"
            # pip writes the second form where the path has blanks or is long.
            found = re.match(rb"#!" + python + rb"\s*\n|#!/bin/sh\n'''exec' \"?" + python + rb"\"? .*\n' '''\n", text)
            if found:
                path.write_bytes(HEAD + text[found.end() :])


relocate(Path(sys.argv[1]))
