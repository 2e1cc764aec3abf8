"""A forgotten `await`."""

from cekura_facade import AsyncCekura


async def main(cekura: AsyncCekura) -> None:
    metrics = cekura.metrics.generate_and_create(agent_id=101)
    print(len(metrics))  # error: mypy "Argument 1 to 'len' has incompatible type" pyright "to parameter 'obj' of type"
    print(metrics[0])  # error: mypy "is not indexable" pyright "'__getitem__' method not defined"
    cekura.metrics.update(1001, name="Tone")  # error: mypy "must be used" pyright "Result of async function call is not used"
    cekura.metrics.job("…").wait()  # error: mypy "must be used" pyright "Result of async function call is not used"
    for metric in cekura.metrics.list():  # error: mypy "has no attribute '__iter__'" pyright "is not iterable"
        print(metric)
    for agent in cekura.agents.list():  # error: mypy "has no attribute '__iter__'" pyright "is not iterable"
        print(agent)
