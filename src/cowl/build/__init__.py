"""Building: a Dockerfile and a context to an image. Text -> AST -> plan -> keys -> layers -> image."""
