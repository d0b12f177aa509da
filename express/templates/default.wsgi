# Written by rsgi-express {{ version }}: what is served where no application was named.

PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>mod_rsgi</title>
<style>body { font: 1rem/1.5 sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem }</style>
<h1>It works</h1>
<p>Apache and Python are ready. Name your application to see it here:</p>
<pre>rsgi-express start-server wsgi.py
rsgi-express start-server --application-type module mysite.wsgi</pre>
<p><a href="/__wsgi__/docs/">The documentation</a> says the rest.</p>
"""


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(PAGE)))])
    return [PAGE]
