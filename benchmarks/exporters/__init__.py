"""Compare our runner with the projects whose exports it runs, on the same random weights."""
