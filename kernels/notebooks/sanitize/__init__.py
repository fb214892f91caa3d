"""Makes strangers' words and outputs safe for a notebook: nothing in them runs."""
