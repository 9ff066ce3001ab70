"""The Krita plugin (``nst_krita``), and what packs and installs it."""
