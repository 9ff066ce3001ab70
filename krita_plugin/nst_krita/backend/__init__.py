"""The network side of the plugin: one thread that owns the connection to the server."""
