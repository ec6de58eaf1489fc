from contracts.records import ended, metadata, running

__all__ = ["ended", "metadata", "running"]
