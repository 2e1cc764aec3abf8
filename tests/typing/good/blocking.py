"""The workflow with the blocking client."""

from cekura_facade import Cekura, GeneratedMetric, GenerateMetricsProgress, Metric


def show(progress: GenerateMetricsProgress) -> None:
    print(progress.status.upper(), progress.current_step)


def choose(suggested: list[GeneratedMetric]) -> list[GeneratedMetric]:
    return [metric for metric in suggested if metric.eval_type == "binary"]


def step_by_step(cekura: Cekura) -> list[Metric]:
    job = cekura.metrics.generate(agent_id=101, num_metrics=3)
    print(job.progress_id.upper(), job.poll().status)
    suggested = job.wait(timeout=60, on_progress=show)
    return cekura.metrics.create_in_bulk(choose(suggested))


def resume(cekura: Cekura, progress_id: str) -> list[Metric]:
    return cekura.metrics.create_in_bulk(cekura.metrics.job(progress_id).wait())


def at_once(cekura: Cekura) -> list[Metric]:
    return cekura.metrics.generate_and_create(
        assistant_id="asst_1", num_metrics=3, review=choose, timeout=60.0, on_progress=show
    )


def what_was_created(cekura: Cekura) -> None:
    created = cekura.metrics.create_in_bulk([{"name": "Tone", "eval_type": "binary", "agents": [101]}])
    new: list[Metric] = created.created
    old: list[Metric] = created.existing
    print(f"{len(new)} of {len(created)} metrics are new, {len(old)} existed.")
    for metric in created:
        print(metric.id + 1, metric.name.title())


if __name__ == "__main__":
    with Cekura() as cekura:
        print(
            len(step_by_step(cekura)), len(at_once(cekura)), len(resume(cekura, "3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f"))
        )
        what_was_created(cekura)
