"""Why a decoder cannot be compiled. Apart from the rest, because the rest needs onnx."""


class NotCompilableError(ValueError):
    """A graph that cannot be compiled; the message says why, as the end of a sentence."""
