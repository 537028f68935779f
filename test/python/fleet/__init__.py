"""A fleet of agents written from the NATS documents alone, in Python with nats-py. It knows nothing of the product's code."""
