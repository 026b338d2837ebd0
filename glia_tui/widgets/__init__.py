"""The parts of the screen. Each draws what the Textual-free modules above it decide, and holds no truth of its own."""
