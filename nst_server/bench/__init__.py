"""Measurements that anyone can repeat: how dependable the engine is, how soon its optimiser gets there."""
