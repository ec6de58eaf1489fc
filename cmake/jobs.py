"""Write the job scripts of an installation, which know where its modules are.

python jobs.py DIRECTORY PREFIX

Any Python can, without an environment.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dhmpi.jobs.script import write_all

directory, prefix = Path(sys.argv[1]), Path(os.path.abspath(sys.argv[2]))
directory.mkdir(parents=True, exist_ok=True)
write_all(directory, str(prefix / "modulefiles"))
