"""`python -m cekura_facade` is the command `cekura-facade`."""

from .cli import main

main()
