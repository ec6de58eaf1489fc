"""`python -m dhmpi` is `dhmpi`."""

import sys

from dhmpi.cli import main

sys.exit(main())
