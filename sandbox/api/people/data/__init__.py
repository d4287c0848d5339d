"""What people do with the bureau's data through the service: a module for each subject."""
