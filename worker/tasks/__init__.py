"""Thin tasks: each opens what it needs, calls one function, and queues what follows after the commit."""
