"""Hand-offs: what a lake knows, written for somebody else's tool. One file, one kind of file."""
