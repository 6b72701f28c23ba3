"""What is run, by kernel family. Every module has `groups() -> Iterator[Group]`."""
