"""`python -m edge_train` is `edge-train`."""

import sys

from edge_train.cli.command import main

sys.exit(main())
