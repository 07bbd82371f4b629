"""Which of several replicas gets a request."""

RANDOM, ROUND_ROBIN, SHORTEST_QUEUE = range(3)
ROUTES = {"random": RANDOM, "round_robin": ROUND_ROBIN, "shortest_queue": SHORTEST_QUEUE}
