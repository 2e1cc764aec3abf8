"""A local stand-in for the Cekura API, in memory, for demos and tests.

```python
from cekura_facade.sandbox import Sandbox

with Sandbox(job_seconds=0) as sandbox:
    ...  # Point a client at sandbox.url with sandbox.api_key, then inspect sandbox.metrics.
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cekura_facade.sandbox._behavior import BEHAVIORS, Behavior
    from cekura_facade.sandbox._clock import ManualClock
    from cekura_facade.sandbox._sandbox import Sandbox
    from cekura_facade.sandbox._state import Job, RecordedRequest

__all__ = ["BEHAVIORS", "Behavior", "Job", "ManualClock", "RecordedRequest", "Sandbox"]

if not TYPE_CHECKING:
    # Imported on first use, because pytest imports this package with the plugin in every project that has it.
    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            from cekura_facade.sandbox import _sandbox
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in ("starlette", "uvicorn"):
                raise
            need = f"The sandbox needs {missing}, which is not installed"
            message = f'{need}. Install the extra: pip install "cekura-facade[sandbox]"'
            raise ModuleNotFoundError(message, name=missing) from error
        return globals().setdefault(name, getattr(_sandbox, name))
