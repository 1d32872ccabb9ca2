"""`python -m edge_export` is `edge-export`."""

import sys

from edge_export.cli.command import main

sys.exit(main())
