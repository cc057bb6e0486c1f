"""Images on their way in and out: pull, import, OCI layouts."""
