//! Graphite-web, by the configuration that it ships for mod_wsgi: groups, imports into them, all as it stands.

use std::path::Path;
use std::process::Command;

use super::{give_to_web_user, is_long_run};
use crate::harness::{Server, needs};
use crate::kit::{clean, run, system_python, venv};

const SETTINGS: &str = "
SECRET_KEY = 'not a secret'
TIME_ZONE = 'UTC'
STORAGE_DIR = '@WORK@/storage'
CONF_DIR = '@WORK@/conf'
LOG_DIR = '@WORK@/storage'
INDEX_FILE = '@WORK@/storage/index'
DATABASES = {'default': {'NAME': '@WORK@/storage/graphite.db', 'ENGINE': 'django.db.backends.sqlite3'}}
";

/// What Graphite ships, with our paths in place of its own; its virtual host becomes the whole server.
fn shipped_conf(home: &Path) -> String {
    let path = home.join("examples/example-graphite-vhost.conf");
    let text = std::fs::read_to_string(path).unwrap();
    let is_ours = |line: &&str| {
        let directive = line.trim().split(' ').next().unwrap_or_default();
        ![
            "ServerName",
            "ErrorLog",
            "CustomLog",
            "WSGISocketPrefix",
            "LoadModule",
        ]
        .contains(&directive)
            && !directive.contains("VirtualHost")
    };
    let lines: Vec<&str> = text.lines().filter(is_ours).collect();
    lines
        .join("\n")
        .replace(
            "/opt/graphite/webapp",
            &format!("{}/webapp", home.display()),
        )
        .replace("/opt/graphite/conf", "@APPS@")
        .replace("/opt/graphite/static/", "@WORK@/static/")
}

#[test]
fn graphite_serves_by_the_configuration_it_ships() {
    needs!(is_long_run(), "RSGI_TEST_SOAK is not set");
    let home = venv(&system_python(), "graphite", &["graphite-web==1.1.10"]);
    let builder = Server::builder().python_home(home.to_str()).embedded();
    let conf = shipped_conf(&home);
    let script = "import sys, os\nsys.path[:0] = ['@APPS@', '@HOME@/webapp']\n\
                  os.environ['GRAPHITE_SETTINGS_MODULE'] = 'local_settings'\nfrom graphite.wsgi import application\n"
        .replace("@HOME@", &home.display().to_string());
    let builder = builder
        .modules(&["alias", "mime", "dir"])
        .conf("TypesConfig /etc/mime.types")
        .app("local_settings.py", SETTINGS)
        .app("graphite.wsgi", &script)
        .file("work/conf/dashboard.conf", b"[ui]\n")
        .conf(&conf);
    let work = builder.root().join("work");
    for folder in ["storage", "storage/whisper", "static"] {
        std::fs::create_dir_all(work.join(folder)).unwrap();
    }
    run(clean(&home.join("bin/python"))
        .args([
            "-m",
            "django",
            "migrate",
            "--verbosity=0",
            "--run-syncdb",
            "--settings=graphite.settings",
        ])
        .env(
            "PYTHONPATH",
            format!(
                "{}:{}/webapp",
                builder.root().join("apps").display(),
                home.display()
            ),
        )
        .env("GRAPHITE_SETTINGS_MODULE", "local_settings"));
    run(Command::new("chmod").args(["-R", "go+rX"]).arg(&work));
    give_to_web_user(&work);
    let server = builder.start();
    let points = server
        .text("/render?target=constantLine(5)&target=randomWalk(%22x%22)&from=-1h&format=json");
    assert!(
        points.contains("[5.0, ") && points.contains("\"target\": \"x\""),
        "{points}"
    );
    let picture = server
        .get("/render?target=constantLine(5)&width=400&height=300&format=png")
        .ok();
    assert_eq!(picture.header("Content-Type"), Some("image/png"));
    assert!(picture.body.starts_with(b"\x89PNG"));
    assert!(server.text("/").contains("Graphite Browser"));
    assert_eq!(server.text("/metrics/find?query=*"), "[]");
    server.allow_log("whisper module could not be loaded");
    server.allow_log("Fontconfig error");
    server.finish();
}
