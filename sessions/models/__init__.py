"""Model back ends: one conversation protocol, several sources of replies."""
