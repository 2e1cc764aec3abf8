"""The types that a type checker infers without an annotation. `assert_type` also refuses Any."""

from typing import assert_type

from cekura_facade import (
    Agent,
    AsyncCekura,
    AsyncGenerationJob,
    Cekura,
    GeneratedMetric,
    GenerateMetricsProgress,
    GenerationJob,
    Metric,
    SavedMetrics,
)


def blocking(cekura: Cekura) -> None:
    assert_type(cekura.metrics.generate(agent_id=101), GenerationJob)
    job = cekura.metrics.job("3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f")
    assert_type(job, GenerationJob)
    assert_type(job.progress_id, str)
    assert_type(job.poll(), GenerateMetricsProgress)
    assert_type(job.wait(), list[GeneratedMetric])
    assert_type(cekura.metrics.create_in_bulk(job.wait())[0], Metric)
    assert_type(cekura.metrics.create_in_bulk(job.wait()).created, list[Metric])
    assert_type(cekura.metrics.create_in_bulk(job.wait()).existing, list[Metric])
    assert_type(cekura.metrics.generate_and_create(agent_id=101), SavedMetrics)
    assert_type(cekura.metrics.generate_and_create(agent_id=101).existing, list[Metric])
    metrics: list[Metric] = cekura.metrics.generate_and_create(agent_id=101)
    assert_type(metrics[0].id, int)
    assert_type(cekura.metrics.list(), list[Metric])
    assert_type(cekura.metrics.get(7), Metric)
    assert_type(cekura.metrics.create(name="x", eval_type="binary"), Metric)
    assert_type(cekura.metrics.update(7, name="Tone"), Metric)
    assert_type(cekura.metrics.get(7).id, int)
    assert_type(cekura.metrics.get(7).name, str)
    assert_type(next(iter(cekura.agents.list())), Agent)
    assert_type(cekura.agents.get(101), Agent)
    assert_type(cekura.agents.get(101).id, int)
    assert_type(cekura.with_options(timeout=5.0), Cekura)


async def asynchronous(cekura: AsyncCekura) -> None:
    assert_type(await cekura.metrics.generate(agent_id=101), AsyncGenerationJob)
    job = cekura.metrics.job("3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f")
    assert_type(job, AsyncGenerationJob)
    assert_type(await job.poll(), GenerateMetricsProgress)
    assert_type(await job.wait(), list[GeneratedMetric])
    assert_type((await cekura.metrics.create_in_bulk(await job.wait()))[0], Metric)
    assert_type((await cekura.metrics.create_in_bulk(await job.wait())).existing, list[Metric])
    assert_type(await cekura.metrics.generate_and_create(agent_id=101), SavedMetrics)
    assert_type(await cekura.metrics.list(), list[Metric])
    assert_type(await cekura.metrics.update(7, name="Tone"), Metric)
    assert_type(await anext(aiter(cekura.agents.list())), Agent)
    assert_type(await cekura.agents.get(101), Agent)
    assert_type(cekura.with_options(timeout=5.0), AsyncCekura)
