"""One delivery of one event: decode, claim, run the stage, reply; and the local broker that makes deliveries."""
