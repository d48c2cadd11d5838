"""The method: model protocol, passes, search and engine; needs torch and numpy alone."""
