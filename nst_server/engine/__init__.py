"""The picture itself: encoder, losses, optimiser, colour. Knows nothing of jobs, sockets or files."""
