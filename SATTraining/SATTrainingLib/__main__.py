"""`python -m SATTrainingLib`."""

import sys

from .cli import main

sys.exit(main())
