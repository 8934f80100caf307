"""What people ask for: HTTP. Flask only; no model and no task is imported here."""
