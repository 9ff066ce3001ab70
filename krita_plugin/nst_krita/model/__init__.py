"""What the plugin knows and does, as observable state without widgets.

``properties``, ``words``, ``options``, ``presets``, ``style_list``, ``masks``, ``connection``, ``forecast``,
``history`` and ``jobs`` are plain Python; ``styles``, ``regions``, ``documents``, ``document_model`` and
``root`` bring them together with Krita (``host``) and the server (``backend``).
"""
