# Written by rsgi-express {{ version }}: the service that --enable-telemetry runs beside the application. It takes in what the
# processes tell of themselves (WSGITelemetryService) and shows it on a page.

from mod_wsgi.telemetry.server import main

main(
    [
        "--listen",
        {{ metrics.telemetry.service | py }},
        # Its folder lets nobody in but the service itself and those who serve.
        "--socket-mode",
        "0666",
        "--http-host",
        "127.0.0.1",
        "--http-port",
        "{{ metrics.telemetry.own.port }}",
        "--log-level",
        "{{ metrics.telemetry.own.log_level }}",
    ]
)
