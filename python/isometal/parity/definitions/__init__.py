"""The float64 definition of every op, by family; `truth.py` dispatches to them."""
