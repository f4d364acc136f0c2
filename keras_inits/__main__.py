"""`python -m keras_inits`: the command."""

import sys

from keras_inits.cli import main

sys.exit(main())
