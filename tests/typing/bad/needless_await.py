"""The blocking client in asynchronous code."""

from cekura_facade import Cekura


async def main(cekura: Cekura) -> None:
    await cekura.metrics.list()  # error: mypy "Incompatible types in 'await'" pyright "is not awaitable"
    async for agent in cekura.agents.list():  # error: mypy "has no attribute '__aiter__'" pyright "is not iterable"
        print(agent)
    async with Cekura():  # error: mypy "no attribute '__aenter__'" mypy "no attribute '__aexit__'" pyright "'__aenter__'" pyright "'__aexit__'"
        pass
