"""Harbor & Pine, an invented shop for garden furniture: the parts that compose its logs."""
