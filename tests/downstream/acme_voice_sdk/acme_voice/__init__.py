"""An example of an SDK built on cekura_facade: a domain of its own, and a generated client of its own."""

from cekura_facade import CekuraError as CekuraError, GenerationTimeoutError as GenerationTimeoutError

from ._client import AcmeVoice as AcmeVoice, UnknownLineError as UnknownLineError
