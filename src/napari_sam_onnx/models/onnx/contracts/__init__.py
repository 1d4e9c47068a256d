"""What families of exports differ in, as rows of tables, and which rows a graph has."""
