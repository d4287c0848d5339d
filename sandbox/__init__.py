"""The running service: what a bureau shows to banks over HTTP."""
