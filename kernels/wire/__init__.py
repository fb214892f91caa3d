"""What a kernel says over its sockets: ZeroMQ's protocol without its library."""
