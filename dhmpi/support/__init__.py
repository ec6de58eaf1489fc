"""Support that all rooms share: options, names, the environment, printing."""
