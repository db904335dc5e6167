"""Nothing but what Django looks for."""
