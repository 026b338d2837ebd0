"""The Researcher and the Supervisor: their tools, their rules, what they are told."""
