"""The protocol between clients and the server: parameters, messages, codec, client.

The one source of the protocol and of every default. It also runs inside Krita, so it keeps to the
standard library and pyzmq, relative imports, and Python 3.8 to 3.14; the plugin's zip carries a
generated copy. Importing this package imports nothing else, not even pyzmq.
"""
