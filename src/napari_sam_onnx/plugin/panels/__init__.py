"""QWidgets: they show and ask, the session decides."""
