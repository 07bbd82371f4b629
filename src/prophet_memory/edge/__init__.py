"""The edge of the library: reading config, checking it, writing files and tables, and messages in one line."""
