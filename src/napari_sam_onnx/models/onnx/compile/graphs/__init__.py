"""The three graphs that answer for a decoder, and the algebra behind them."""
