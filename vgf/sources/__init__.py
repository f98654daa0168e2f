"""Sources: where a dataset file comes from, that is downloads, simulators and the policies that act in them."""
