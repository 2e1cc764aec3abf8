"""Errors: what is on them, without conversion."""

import time

from cekura_facade import (
    APIStatusError,
    BadRequestError,
    BulkCreateUncertainError,
    Cekura,
    CekuraError,
    GenerationFailedError,
    GenerationTimeoutError,
    Metric,
    RateLimitError,
)


def save(cekura: Cekura) -> list[Metric]:
    try:
        return cekura.metrics.generate_and_create(agent_id=101, timeout=30.0)
    except GenerationTimeoutError as error:
        return cekura.metrics.create_in_bulk(cekura.metrics.job(error.progress_id).wait())
    except GenerationFailedError as error:
        print(error.progress_id.upper(), error.reason or "The service gave no reason.")
    except BadRequestError as error:
        for problem in error.problems:
            print(problem.index, problem.name, problem.field, problem.message.strip())
    except BulkCreateUncertainError as error:
        print([metric.id + 1 for metric in error.created], [fields["name"] for fields in error.unconfirmed])
    except RateLimitError as error:
        time.sleep(error.retry_after or 1.0)
    except APIStatusError as error:
        print(error.status_code + 1, error.method, error.url, error.request_id)
    except CekuraError as error:
        print(error, error.progress_id, len(error.metrics), len(error.created))
    return []
