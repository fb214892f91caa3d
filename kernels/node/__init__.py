"""A node: a Jupyter Server that owns kernels, so that they outlive the bot.

`python -m kernels.node` runs one; `kernels.client` is the bot's side.
"""

PROTOCOL = 6  # of what bot and node say to each other; another number is another language
