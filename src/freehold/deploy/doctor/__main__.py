"""`python -m freehold.deploy.doctor`: what doctor.pyz runs."""

import sys

from freehold.deploy.doctor.command import main

if __name__ == "__main__":
    sys.exit(main())
