"""The bytes that cross between the parties: frames, and signatures of requests."""
