"""The modes of automatic masks: from seeds to masks."""
