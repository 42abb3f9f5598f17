from helpers.config_files import faults, head, say, write

__all__ = ["faults", "head", "say", "write"]
