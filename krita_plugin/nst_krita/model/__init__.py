"""What the plugin knows and does, as observable state without widgets.

``properties``, ``words``, ``options``, ``connection`` and ``jobs`` are plain Python; ``styles``,
``document_model`` and ``root`` bring them together with Krita (``host``) and the server (``backend``).
"""
