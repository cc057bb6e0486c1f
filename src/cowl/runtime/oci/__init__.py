"""The embedded interpreter as an OCI runtime for others: any config.json."""
