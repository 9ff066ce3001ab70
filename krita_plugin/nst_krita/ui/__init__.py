"""The docker's widgets, bound to the model. Only ``docker`` knows Krita."""
