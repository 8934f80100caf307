"""What is worth waking somebody up for: rules that find it, incidents while it lasts, notices of it."""
