"""Neural style transfer for digital painters: the inference server, its client and its command line."""

__version__ = "0.1.0"
