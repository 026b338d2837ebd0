"""The face of a study: the command line and the Textual app.

Importing this package is cheap and never imports Textual: the headless commands live here too. The app is
:class:`glia_tui.app.GliaApp`; it knows a study only through :class:`glia_tui.ports.StudySession`.
"""
