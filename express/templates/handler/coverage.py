import atexit

import coverage

measured = coverage.Coverage()
measured.start()


def report():
    measured.stop()
    measured.html_report(directory={{ debug.coverage | py }})


atexit.register(report)
