"""Misspelt keywords, and arguments of a wrong type."""

from cekura_facade import AsyncCekura, Cekura


def blocking(cekura: Cekura) -> None:
    cekura.metrics.update(1001, nmae="x")  # error: mypy "Unexpected keyword argument 'nmae'" pyright "No parameter named 'nmae'"
    cekura.metrics.update(1001, name=5)  # error: mypy "Argument 'name' to 'update'" pyright "to parameter 'name' of type"
    cekura.metrics.create(name="x", eval_type="binary", promt="y")  # error: mypy "argument 'promt'" pyright "No parameter named 'promt'"
    cekura.metrics.generate_and_create(agent_id="123")  # error: mypy "Argument 'agent_id' to" pyright "to parameter 'agent_id' of type"
    cekura.metrics.generate_and_create(agent=123)  # error: mypy "keyword argument 'agent'" pyright "No parameter named 'agent'"
    cekura.metrics.list(agent_id="1")  # error: mypy "Argument 'agent_id' to 'list'" pyright "to parameter 'agent_id' of type"
    cekura.with_options(retries=0)  # error: mypy "keyword argument 'retries'" pyright "No parameter named 'retries'"
    Cekura(api_kye="key")  # error: mypy "keyword argument 'api_kye'" pyright "No parameter named 'api_kye'"


async def asynchronous(cekura: AsyncCekura) -> None:
    await cekura.metrics.update(1001, nmae="x")  # error: mypy "keyword argument 'nmae'" pyright "No parameter named 'nmae'"
    await cekura.metrics.generate(agent_id="123")  # error: mypy "Argument 'agent_id' to" pyright "to parameter 'agent_id' of type"
    await cekura.metrics.job("…").wait(timeout="60")  # error: mypy "Argument 'timeout' to" pyright "to parameter 'timeout' of type"
