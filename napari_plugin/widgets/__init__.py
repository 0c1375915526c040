"""The dock: thin widgets over the document."""
