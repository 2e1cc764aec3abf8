"""The tests."""

import importlib.util
import sys

# For each request of an asynchronous client, httpcore tries to import this optional package, which takes longer than
# most requests of the tests.
if importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]
