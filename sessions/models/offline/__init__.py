"""The built-in researcher without a language model.

It is rule-based and says so. It knows mechanisms, never results: it reads the baseline's telemetry, picks a
mechanism for the cause it finds, composes a design's source from it, predicts, measures, ablates, tunes and
proposes the best for acceptance. Its replies are a pure function of the conversation.
"""
