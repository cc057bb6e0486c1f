"""Text -> AST: lexer, frozen nodes with source ranges, parser, expansion, .dockerignore, diagnostics."""
