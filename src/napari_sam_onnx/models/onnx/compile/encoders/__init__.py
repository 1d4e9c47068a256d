"""Encoders whose attentions make no squares of scores."""
