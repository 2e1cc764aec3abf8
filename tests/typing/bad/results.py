"""Results that are used as something else."""

from cekura_facade import Cekura


def use(cekura: Cekura) -> None:
    metric = cekura.metrics.update(1001, name="Tone")
    text: str = metric.id  # error: mypy "has type 'int', variable has type 'str'" pyright "Type 'int' is not assignable"
    number: int = metric.name  # error: mypy "has type 'str', variable has type 'int'" pyright "Type 'str' is not assignable"
    print(text, number, metric.nmae)  # error: mypy "'Metric' has no attribute 'nmae'" pyright "access attribute 'nmae'"
    print(cekura.metrics.list()[0].nmae)  # error: mypy "has no attribute 'nmae'" pyright "access attribute 'nmae'"
    print(cekura.metrics.job("…").wait()[0].nmae)  # error: mypy "no attribute 'nmae'" pyright "access attribute 'nmae'"
    created = cekura.metrics.create_in_bulk([{"name": "Tone", "eval_type": "binary"}])
    print(created.exisiting)  # error: mypy "no attribute 'exisiting'" pyright "access attribute 'exisiting'"
    for agent in cekura.agents.list():
        print(agent.nmae)  # error: mypy "'Agent' has no attribute 'nmae'" pyright "access attribute 'nmae'"
