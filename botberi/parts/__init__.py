"""Parts of the platform, a file each: every file gives a `Part` for the supervisor."""
