"""`python -m SATSegmentLib`."""

import sys

from .cli import main

sys.exit(main())
