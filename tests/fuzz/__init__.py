"""Seeded nonsense: whatever is given, the answer is a result or one sentence, in bounded memory."""
