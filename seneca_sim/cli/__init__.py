"""The command line: `main` starts it, one module a command in `commands`."""
