"""`python -m keras_inits.cli`."""

import sys

from keras_inits.cli import main

sys.exit(main())
