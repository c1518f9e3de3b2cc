"""The commands of `rhinecloud`, one module each: `add_arguments(parser)`, `run(arguments) -> exit code`."""
