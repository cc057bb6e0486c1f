"""The networks of containers: a module for each way to have one, and what they share."""
