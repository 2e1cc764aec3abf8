"""Runs the command several times in one process: `runs.py FOLDER JSON`, with the arguments of each run in the JSON.

The output and the exit code of each run are in files of the folder. Without a folder, the output is between two marks
on the terminal.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cekura_facade.cli import main

folder, runs = sys.argv[1], json.loads(sys.argv[2])
for number, arguments in enumerate(runs):
    sys.argv[1:] = arguments
    if folder:
        sys.stdout = Path(folder, f"{number}.out").open("w", encoding="utf-8")  # noqa: SIM115 - The command closes it.
        sys.stderr = Path(folder, f"{number}.err").open("w", encoding="utf-8")  # noqa: SIM115
    else:
        print("\x02", end="", flush=True)
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    if folder:
        sys.stdout.close()
        sys.stderr.close()
        Path(folder, f"{number}.code").write_text(str(code))
    else:
        print("\x03", end="", flush=True)
