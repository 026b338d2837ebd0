"""The shipped autoscalers, one file each."""
