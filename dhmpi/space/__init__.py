"""Problems and their spaces: dimensions, points, starting points."""
