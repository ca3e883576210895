"""`freehold bundle`: all that a closed network needs of the open one, made, checked and loaded."""

import typer

app = typer.Typer()
