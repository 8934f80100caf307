"""Telling people: what is in the outbox, and the weekly digest."""
