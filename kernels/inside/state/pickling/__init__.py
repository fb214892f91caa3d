"""How each kind of value is pickled and made again, with what it shares and refers to."""
