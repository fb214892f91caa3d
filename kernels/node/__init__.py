"""A node: a Jupyter Server that owns kernels, so that they outlive the bot.

`python -m kernels.node` runs one; `kernels.client` is the bot's side. What stands where:

    settings            what a node is told when it starts
    server              the Jupyter Server with our extension, its socket, its end
    node                the pool, and the sessions that bots have asked for
    connection_limits   how many connections there may be that have not shown the token
    http_api            what can be asked over HTTP, and the websocket
    messages            what bot and node say to each other; `encoding` makes JSON of it
    session             one session's kernel, commanded by the bot
    event_log           what has happened and the bot has not acknowledged
    file_requests       the person's stored files, which the bot has
    logging             the node's own log
"""

PROTOCOL = 5  # of what bot and node say to each other; another number is another language
