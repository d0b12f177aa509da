"""The smallest application, for the memory figures: nothing imported, 12 bytes."""


def application(environ, start_response):
    """Says hello."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12")])
    return [b"Hello World!"]
