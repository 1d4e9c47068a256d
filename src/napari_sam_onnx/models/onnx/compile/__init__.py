"""From a SAM decoder to graphs that answer the same prompts in a quarter of the time.

    decoder.onnx ─ graph, layers ─▶ parts ─ factors ─▶ picture, tokens, masks ─ verify ─▶ runner

What all prompts of a picture share is computed once per picture; what the tokens need is
computed per prompt; masks are upscaled when they are asked for.
"""
