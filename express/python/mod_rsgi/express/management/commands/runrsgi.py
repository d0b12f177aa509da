"""manage.py runrsgi: serves the project through Apache and mod_rsgi."""

from django.core.management import BaseCommand, CommandError

from mod_rsgi.express import launcher
from mod_rsgi.express.django import arguments


class Command(BaseCommand):
    """Knows Django's own options; all others are the launcher's."""

    help = "Serves this project through Apache and mod_rsgi. Takes all options of rsgi-express start-server."
    requires_system_checks = []

    def create_parser(self, prog_name, subcommand, **kwargs):
        # Without abbreviations: --v is no option of Django's when --verbose-debugging is one of the launcher's.
        parser = super().create_parser(prog_name, subcommand, allow_abbrev=False, **kwargs)

        def parse_args(args=None, namespace=None):
            known, others = parser.parse_known_args(args, namespace)
            known.launcher = others
            return known

        parser.parse_args = parse_args
        return parser

    def handle(self, *args, **options):
        typed = options.get("launcher", [])
        if options.get("pythonpath"):
            typed = ["--python-path", options["pythonpath"], *typed]
        try:
            launcher.start(arguments(typed))
        except OSError as error:
            raise CommandError("cannot run rsgi-express: %s" % error) from error
