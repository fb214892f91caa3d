"""What a person takes away or brings back: notebooks, bundles, and all that is kept of them."""
