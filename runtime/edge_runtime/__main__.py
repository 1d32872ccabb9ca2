"""`python -m edge_runtime` is `edge-predict`."""

import sys

from edge_runtime.cli.command import main

sys.exit(main())
