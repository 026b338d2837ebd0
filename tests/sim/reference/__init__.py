"""The naive engine: slow, obviously right, and what the product's engine must equal bit for bit."""
