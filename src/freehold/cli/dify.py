"""`freehold dify`: what is done with a Dify, each verb in a file of its own."""

import typer

app = typer.Typer()
