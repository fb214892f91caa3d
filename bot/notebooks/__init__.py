"""What people download or bring back: notebooks, bundles, and everything that is kept of a person."""
