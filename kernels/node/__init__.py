"""A node: a Jupyter Server that owns kernels, so that they outlive the bot.

`python -m kernels.node` runs one; `kernels.client` is the bot's side. What stands where:

    settings    what a node is told when it starts
    app         the server: a Jupyter Server with our extension, its sockets, its end
    routes      what can be asked over HTTP, and the websocket
    session     one session's kernel, as commands from the bot and a log for it
    log         what has happened and the bot has not acknowledged
    source      the person's stored files, which the bot has
"""

PROTOCOL = 4  # of what bot and node say to each other; another number is another language
