"""The GPU back end, the only room of scoring that knows torch: a worker on CPU never imports it."""
