"""The commands of `rhinecloud`, one module each: `add_arguments(parser)` and `run(arguments) -> exit code`."""
