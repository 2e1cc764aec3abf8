"""Checks that the service behaves as the client requires. They run on the sandbox and on the real service.

```python
from cekura_facade import Cekura
from cekura_facade.contract import Contract

with Cekura() as cekura:
    for result in Contract(cekura, agent_id=101).run():
        print(result.id, result.passed, result.observed)
```
"""

from __future__ import annotations

from ._contract import Contract
from ._result import Level, Remaining, Result, Value

__all__ = ["Contract", "Level", "Remaining", "Result", "Value"]
