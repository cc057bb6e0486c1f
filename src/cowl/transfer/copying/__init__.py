"""Files copied into containers and out of them, by the rules of `docker cp`."""
