"""All calls to Discord: tried again where that helps, and sent where they can arrive."""
