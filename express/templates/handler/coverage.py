import atexit

import coverage

# The user who serves may write nowhere else than into the report.
measured = coverage.Coverage(data_file=None)
measured.start()


def report():
    measured.stop()
    measured.html_report(directory={{ debug.coverage | py }})


atexit.register(report)
