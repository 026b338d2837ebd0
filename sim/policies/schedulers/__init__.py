"""The shipped batch schedulers; one file each, as a user would write a design, but for the predicted ones."""
