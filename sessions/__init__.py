"""One study, headless: conversation, agents, approval gate, experiments, journal and the design repository.

Nothing here knows how a study is drawn. The simulator is reached through :mod:`sessions.playground` alone.
"""
