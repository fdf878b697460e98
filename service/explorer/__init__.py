"""The explorer: the answer as a picture. Pages from templates, one vendored chart library, no build step."""
