"""The commands, as tables: parsing, --help, dispatch and completion all read them."""
