"""``python -m gan_lab`` is ``gan-lab``."""

import sys

from gan_lab.cli import main

sys.exit(main())
