"""A pair of ONNX files -> a model, and the one runner for all families."""
