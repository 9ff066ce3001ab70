"""The broker: clients, the queue, frames on their way. One thread, no torch; it always answers at once."""
