"""`make chaos`: a real stack under load, in which one thing after the other is broken; see docs/chaos.md."""
