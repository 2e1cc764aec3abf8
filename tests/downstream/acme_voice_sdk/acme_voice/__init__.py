"""An example of an SDK built on cekura_facade, with its own domain and its own generated client."""

from cekura_facade import CekuraError as CekuraError, GenerationTimeoutError as GenerationTimeoutError

from ._client import AcmeVoice as AcmeVoice, UnknownLineError as UnknownLineError
