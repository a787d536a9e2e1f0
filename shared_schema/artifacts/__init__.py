"""Files that runs make: where they are kept, and how they are handed out."""

from shared_schema.artifacts.port import Storage, StorageError
from shared_schema.artifacts.settings import ArtifactSettings, make_storage

__all__ = ["ArtifactSettings", "Storage", "StorageError", "make_storage"]
