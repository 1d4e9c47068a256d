"""Sessions of ONNX Runtime: opened, run, interrupted; what graphs say of themselves."""
