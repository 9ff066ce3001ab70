"""The demo: the main job on bundled real input. Importing this package loads neither torch nor matplotlib."""
