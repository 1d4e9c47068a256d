"""A pair of ONNX files -> a model: contracts, detection, preparation, the runner."""
