//! `manage.py runrsgi` and `runmodwsgi` with the Django of PyPI.

use std::path::Path;

use super::Launcher;
use super::launcher::program;
use crate::harness::only_rsgi;
use crate::kit::{system_python, venv};

const MANAGE: &str = "import os, sys\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n\
    from django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n";

const SETTINGS: &str = r#"
import os
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "x"
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.admin", "django.contrib.sessions",
    "django.contrib.messages", "django.contrib.staticfiles", "mod_rsgi.express"]
MIDDLEWARE = os.environ.get("TEST_MIDDLEWARE", "").split()
ROOT_URLCONF = "mysite.urls"
WSGI_APPLICATION = "mysite.wsgi.application"
STATIC_URL = "static/"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [BASE_DIR / "pages"], "APP_DIRS": True}]
STATIC_ROOT = os.environ.get("TEST_STATIC_ROOT")
"#;

const URLS: &str = r#"
import os, sys
from django.http import HttpResponse
from django.urls import re_path
def page(request):
    import mod_rsgi, mod_rsgi.express
    facts = [request.path, os.getcwd(), mod_rsgi.process_group, str(sys.prefix)]
    return HttpResponse("|".join(facts), content_type="text/plain")
urlpatterns = [re_path("", page)]
"#;

const WSGI: &str = "import os\nfrom django.core.wsgi import get_wsgi_application\n\
    os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\napplication = get_wsgi_application()\n";

/// A project, and `manage.py` with a command in place of the launcher's own command line.
pub(super) fn project(command: &str) -> Launcher {
    let home = venv(&system_python(), "django", &["django"]);
    let script = format!(
        "shift 2; exec {}/bin/python manage.py {command} \"$@\"",
        home.display()
    );
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("express/python");
    let folder = program().parent().map(Path::to_path_buf).unwrap();
    let path = format!("{}:/usr/bin:/bin:/usr/sbin", folder.display());
    let launcher = Launcher::new()
        .file("manage.py", MANAGE)
        .file("mysite/__init__.py", "")
        .file("mysite/settings.py", SETTINGS)
        .file("mysite/urls.py", URLS)
        .file("mysite/wsgi.py", WSGI)
        .under(&["sh", "-c", &script, "sh"])
        .env("PATH", &path);
    // Where the checkout is may be closed to the web user.
    let copy = launcher.path("python");
    crate::kit::run(
        std::process::Command::new("cp")
            .arg("-R")
            .arg(python)
            .arg(&copy),
    );
    let copy = copy.display().to_string();
    let temporary = launcher.path("tmp");
    std::fs::create_dir(&temporary).unwrap();
    crate::harness::allow(&temporary, 0o755);
    let temporary = temporary.display().to_string();
    launcher.env("PYTHONPATH", &copy).env("TMPDIR", &temporary)
}

#[test]
fn a_django_project_is_served_by_its_own_settings_and_its_static_files_are_found() {
    only_rsgi!("the launcher is ours");
    let run = project("runrsgi").args(&["--threads", "2"]).start();
    let home = venv(&system_python(), "django", &["django"]);
    let port = run.launcher.port();
    let here = run.launcher.directory().display().to_string();
    let expected = format!("/a/b|{here}|localhost:{port}|{}", home.display());
    assert_eq!(run.text("/a/b"), expected);
    let css = run.text("/static/admin/css/base.css");
    assert!(css.contains("body"), "{css}");
    assert!(run.text("/static").starts_with("/static|"));
}

#[test]
fn runmodwsgi_takes_the_launchers_options_and_a_static_root_that_is_set() {
    only_rsgi!("the launcher is ours");
    let launcher = project("runmodwsgi --pythonpath lib")
        .file("assets/x.txt", "an asset\n")
        .args(&["--setup-only", "--processes", "3", "--mount-point", "/shop"])
        .args(&["--url-alias", "/extra", "assets"]);
    let assets = launcher.path("assets").display().to_string();
    let launcher = launcher.env("TEST_STATIC_ROOT", &assets);
    launcher.setup();
    let conf = std::fs::read_to_string(launcher.root().join("httpd.conf")).unwrap();
    for part in [
        "processes=3",
        "/shop(?:/|$)",
        &format!("Alias \"/static/\" \"{assets}/\""),
        &format!("Alias \"/extra\" \"{assets}\""),
        "/lib",
    ] {
        assert!(conf.contains(part), "no {part} in {conf}");
    }
    let launcher = launcher.env(
        "TEST_MIDDLEWARE",
        "whitenoise.middleware.WhiteNoiseMiddleware",
    );
    launcher.setup();
    let conf = std::fs::read_to_string(launcher.root().join("httpd.conf")).unwrap();
    assert!(!conf.contains("Alias \"/static/\""), "{conf}");
}
