"""The pages that people see: static files that a browser runs as they are, and how they are served."""
