"""What the subcommands share: the console, models and data, and where results go."""
