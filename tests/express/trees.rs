//! The generated files for combinations of options, each accepted by Apache.

use std::path::Path;

use super::Launcher;
use crate::harness::only_rsgi;

/// Sets up, and returns a generated file without what differs from machine to machine.
#[track_caller]
fn generated(launcher: &Launcher, name: &str) -> String {
    launcher.setup();
    filtered(launcher, name)
}

fn filtered(launcher: &Launcher, name: &str) -> String {
    let text = std::fs::read_to_string(launcher.root().join(name)).unwrap();
    let directory = launcher.directory().display().to_string();
    let python = std::env::var("RSGI_TEST_PYTHON").unwrap_or_else(|_| "/usr".into());
    let text = text
        .replace(&format!("'{python}/bin/python3'"), "'/usr/bin/python3'")
        .replace(&directory, "[DIR]")
        .replace(&launcher.port().to_string(), "[PORT]");
    let mut lines: Vec<String> = vec![];
    let mut is_skipping = false;
    for line in text.lines() {
        // Only as root.
        if line.starts_with("# Privileges") {
            is_skipping = true;
        }
        if is_skipping {
            is_skipping = !line.is_empty();
            continue;
        }
        let line = hide_paths(line);
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

/// The text from one comment to another.
#[track_caller]
fn section<'a>(conf: &'a str, from: &str, to: &str) -> &'a str {
    let start = conf.find(from).unwrap();
    let end = conf[start..].find(to).unwrap();
    &conf[start..start + end]
}

/// Hides where this machine keeps modules, Apache and Python.
fn hide_paths(line: &str) -> String {
    let replaced = [
        ("LoadModule wsgi_module ", "LoadModule wsgi_module [MODULE]"),
        ("LoadModule mpm_", "LoadModule [MPM]"),
        ("LoadModule ", "LoadModule [APACHE'S]"),
        ("TypesConfig \"/etc", "TypesConfig [MIME]"),
        ("MOD_WSGI_USER=", "MOD_WSGI_USER=[USER]"),
        ("MOD_WSGI_GROUP=", "MOD_WSGI_GROUP=[GROUP]"),
        ("WSGIPythonHome ", "WSGIPythonHome [PYTHON]"),
        ("HTTPD=", "HTTPD=[HTTPD]"),
        (
            "MOD_WSGI_MODULES_DIRECTORY=",
            "MOD_WSGI_MODULES_DIRECTORY=[MODULES]",
        ),
    ];
    replaced
        .iter()
        .find(|(start, _)| line.starts_with(start))
        .map_or_else(|| line.to_owned(), |(_, hidden)| (*hidden).to_owned())
}

#[test]
fn a_script_with_no_options_gets_the_defaults() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().arg("hello.py");
    insta::assert_snapshot!("defaults_httpd_conf", generated(&launcher, "httpd.conf"));
    insta::assert_snapshot!("defaults_apachectl", filtered(&launcher, "apachectl"));
    insta::assert_snapshot!("defaults_handler", filtered(&launcher, "handler.wsgi"));
}

#[test]
fn a_module_with_reloading_gets_a_handler_that_asks_for_the_modules_file() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("shop/web.py", "app = print\n")
        .args(&["--application-type", "module", "shop.web"])
        .args(&["--callable-object", "app", "--reload-on-changes"]);
    insta::assert_snapshot!("module_httpd_conf", generated(&launcher, "httpd.conf"));
    insta::assert_snapshot!("module_handler", filtered(&launcher, "handler.wsgi"));
}

#[test]
fn a_mount_point_is_stripped_by_the_handler() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().args(&["hello.py", "--mount-point", "/a.b/c d"]);
    insta::assert_snapshot!("mount_httpd_conf", generated(&launcher, "httpd.conf"));
    insta::assert_snapshot!("mount_handler", filtered(&launcher, "handler.wsgi"));
}

#[test]
fn static_files_and_aliases_get_their_directories() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("public/robots.txt", "")
        .file("static/deep/x.css", "")
        .file("one.ico", "")
        .args(&["hello.py", "--document-root", "public"])
        .args(&["--url-alias", "/static", "static"])
        .args(&["--url-alias", "/static/deep/", "static/deep/"])
        .args(&["--url-alias", "/favicon.ico", "one.ico"])
        .args(&["--url-alias", "/later", "not-yet-there"]);
    insta::assert_snapshot!("files_httpd_conf", generated(&launcher, "httpd.conf"));
}

#[test]
fn each_mpm_is_sized_for_the_processes_and_threads_asked_for() {
    only_rsgi!("the launcher is ours");
    for mpm in ["event", "worker", "prefork"] {
        let launcher = Launcher::new()
            .args(&["hello.py", "--server-mpm", mpm])
            .args(&["--processes", "3", "--threads", "20"]);
        let conf = generated(&launcher, "httpd.conf");
        insta::assert_snapshot!(
            format!("capacity_{mpm}"),
            section(&conf, "# Capacity", "# Clients")
        );
    }
}

#[test]
fn in_embedded_mode_there_is_no_process_group() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("lib/x.py", "")
        .args(&["hello.py", "--embedded-mode", "--maximum-requests", "1000"])
        .args(&[
            "--processes",
            "3",
            "--threads",
            "20",
            "--python-path",
            "lib",
        ]);
    let conf = generated(&launcher, "httpd.conf");
    assert!(!conf.contains("WSGIDaemonProcess"), "{conf}");
    insta::assert_snapshot!("embedded", section(&conf, "# Capacity", "# Files"));
}

/// Every option of a process group, none with its usual value.
const ALL_OF_A_GROUP: &str = "hello.py --processes 2 --threads 10 --python-path lib --process-group shop \
     --application-group %{SERVER} --daemon-backlog 11 --maximum-requests 12 --startup-timeout 13 \
     --shutdown-timeout 14 --restart-interval 3600 --cpu-time-limit 16 --graceful-timeout 17 \
     --eviction-timeout 18 --deadlock-timeout 19 --inactivity-timeout 20 --request-timeout 21 \
     --interrupt-timeout 22 --connect-timeout 23 --queue-timeout 24 --socket-timeout 25 \
     --response-socket-timeout 26 --response-flush-delay 27 --send-buffer-size 65536 \
     --receive-buffer-size 65537 --header-buffer-size 65538 --response-buffer-size 65539 \
     --ignore-activity /health --ignore-activity ping --socket-prefix run --disable-reloading \
     --initial-workers 0.5 --minimum-spare-workers 0.25 --maximum-spare-workers 1";

#[test]
fn everything_said_about_processes_times_and_buffers_is_in_the_group() {
    only_rsgi!("the launcher is ours");
    let words: Vec<_> = ALL_OF_A_GROUP.split_whitespace().collect();
    let launcher = Launcher::new().file("lib/x.py", "").args(&words);
    let conf = generated(&launcher, "httpd.conf");
    insta::assert_snapshot!("group", section(&conf, "# Capacity", "# Files"));
}

#[test]
fn logs_go_to_files_and_are_as_talkative_as_asked() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().args(&["hello.py", "--access-log", "--log-level", "DEBUG"]);
    let conf = generated(&launcher, "httpd.conf");
    insta::assert_snapshot!("logs_httpd_conf", section(&conf, "# Logs", "# Python"));
}

#[test]
fn listening_on_one_address_and_an_included_file_are_written_down() {
    only_rsgi!("the launcher is ours");
    for (host, name) in [("127.0.0.1", "ipv4"), ("::1", "ipv6")] {
        let launcher = Launcher::new()
            .file("extra.conf", "SetEnv EXTRA yes\n")
            .file("lib/x.py", "")
            .args(&["hello.py", "--host", host, "--include-file", "extra.conf"])
            .args(&["--python-path", "lib", "--python-path", "/usr/lib"])
            .args(&["--working-directory", "/usr/share"]);
        let conf = generated(&launcher, "httpd.conf");
        insta::assert_snapshot!(
            format!("host_{name}"),
            section(&conf, "# Server", "# Modules")
        );
        let paths = section(&conf, "# Python", "# Application").replace(host, "[HOST]");
        insta::assert_snapshot!("paths", paths);
        assert!(
            conf.trim_end().ends_with("Include \"[DIR]/extra.conf\""),
            "{conf}"
        );
    }
}

/// A certificate for `www.example.com` and its key, called `site.crt` and `site.key`.
pub(super) fn with_certificate(launcher: Launcher) -> Launcher {
    let status = std::process::Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
        ])
        .args([
            "-subj",
            "/CN=www.example.com",
            "-keyout",
            "site.key",
            "-out",
            "site.crt",
        ])
        .current_dir(launcher.directory())
        .stderr(std::process::Stdio::null())
        .status();
    assert!(status.unwrap().success(), "openssl makes a certificate");
    launcher
}

/// Many options at once, each with a block of its own.
const MANY: &str = "hello.py --https-port 8443 --ssl-certificate site --server-name www.example.com \
     --server-alias *.example.org --allow-localhost --https-only --hsts-policy max-age=31536000 --ssl-environment \
     --ssl-ca-certificate-file site.crt --http2 --document-root one --document-root two --directory-listing \
     --directory-index index.html --with-cgi --allow-override FileInfo --allow-override Options=Indexes \
     --error-document 404 /missing.html --error-override --add-handler .md h.py --add-handler htm h.py \
     --proxy-mount-point /p http://127.0.0.1:9000/ --proxy-mount-point /p/q/ https://127.0.0.1:9001/z \
     --proxy-virtual-host other.example.com http://127.0.0.1:9002 --proxy-timeout 9 --compress-responses \
     --enable-sendfile --server-status --service-script tick h.py --service-script tock h.py \
     --service-log-file tock tock_log --rotate-logs --max-log-size 7 --access-log --access-log-format combined \
     --error-log-format [%t]%M --startup-log --maintenance-file down.html --setenv A b --passenv HOME \
     --switch-interval 0.01 --python-warnings ignore --orphan-interpreter --chunked-request --map-head-to-get off \
     --rewrite-rules rules.conf --envvars-script env.sh --locale C.UTF-8 --keep-alive-timeout 0 \
     --header-max-timeout 0 --body-timeout 0 --limit-request-body 7 --server-backlog 8 --mime-types rules.conf \
     --pid-file run.pid --process-name web --url-alias /favicon.ico hello.py";

#[test]
fn every_option_that_writes_something_has_its_block_under_a_comment_that_names_it() {
    only_rsgi!("the launcher is ours");
    let words: Vec<_> = MANY.split_whitespace().collect();
    let launcher = Launcher::new()
        .file("one/x", "")
        .file("two/x", "")
        .file("h.py", "")
        .file("rules.conf", "")
        .file("env.sh", "")
        .args(&words);
    let launcher = with_certificate(launcher);
    insta::assert_snapshot!("many_httpd_conf", generated(&launcher, "httpd.conf"));
    insta::assert_snapshot!("many_apachectl", filtered(&launcher, "apachectl"));
    insta::assert_snapshot!("many_resource", filtered(&launcher, "resource.wsgi"));
    assert_eq!(
        filtered(&launcher, "envvars"),
        format!(". '{}'", "[DIR]/env.sh")
    );
}

#[test]
fn each_way_of_debugging_adds_its_part_to_the_handler() {
    only_rsgi!("the launcher is ours");
    for option in ["coverage", "profiler", "recorder", "debugger"] {
        let launcher = Launcher::new().args(&["hello.py", &format!("--enable-{option}")]);
        insta::assert_snapshot!(
            format!("debug_{option}"),
            generated(&launcher, "handler.wsgi")
        );
    }
    let launcher = Launcher::new().args(&["hello.py", "--enable-gdb", "--gdb-executable", "true"]);
    let conf = generated(&launcher, "httpd.conf");
    insta::assert_snapshot!("debug_conf", section(&conf, "# Capacity", "# Files"));
    let control = filtered(&launcher, "apachectl");
    insta::assert_snapshot!("debug_apachectl", &control[control.find("case").unwrap()..]);
    insta::assert_snapshot!("debug_gdb", filtered(&launcher, "gdb.cmds"));
}

#[test]
fn paste_static_files_and_the_page_of_welcome_have_trees_of_their_own() {
    only_rsgi!("the launcher is ours");
    let paste =
        Launcher::new()
            .file("shop.ini", "")
            .args(&["--application-type", "paste", "shop.ini"]);
    insta::assert_snapshot!("paste_handler", generated(&paste, "handler.wsgi"));
    let files = Launcher::new()
        .file("site/index.html", "")
        .args(&["--application-type", "static", "site"])
        .args(&["--directory-index", "index.html", "--server-mpm", "worker"]);
    insta::assert_snapshot!("static_httpd_conf", generated(&files, "httpd.conf"));
    assert!(!files.root().join("handler.wsgi").exists());
    let welcome = Launcher::new();
    assert!(welcome.setup().contains("a page of welcome"));
    insta::assert_snapshot!("welcome", filtered(&welcome, "default.wsgi"));
}

#[test]
fn odd_names_are_quoted_for_each_language() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::named(r#"it's "odd" \ é [x]* $5"#)
        .file("public [2]/x.txt", "")
        .args(&["hello.py", "--document-root", "public [2]"])
        .args(&["--url-alias", "/a \"b\"/", "public [2]"])
        .args(&["--mount-point", "/say \"é\"+"]);
    launcher.setup();
    let read = |name: &str| std::fs::read_to_string(launcher.root().join(name)).unwrap();
    let outer = launcher
        .directory()
        .parent()
        .map(Path::display)
        .unwrap()
        .to_string();
    let hide = |text: String| text.replace(&outer, "[OUTER]");
    let conf = hide(read("httpd.conf"));
    insta::assert_snapshot!("odd_httpd_conf", &conf[conf.find("# Files").unwrap()..]);
    let handler = hide(read("handler.wsgi"));
    let is_literal = |line: &&str| {
        ["ENTRY =", "MOUNT =", "os.chdir"]
            .iter()
            .any(|start| line.starts_with(start))
    };
    let literals: Vec<_> = handler.lines().filter(is_literal).collect();
    insta::assert_snapshot!("odd_handler", literals.join("\n"));
    let control = hide(read("apachectl"));
    let words: Vec<_> = control
        .lines()
        .filter(|line| line.contains("it'"))
        .collect();
    insta::assert_snapshot!("odd_apachectl", words.join("\n"));
}

#[test]
fn the_users_own_files_are_left_alone_when_the_tree_is_written_again() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().arg("hello.py");
    launcher.setup();
    for name in ["envvars", "rewrite.conf", "httpd.conf"] {
        std::fs::write(launcher.root().join(name), "# mine\n").unwrap();
    }
    launcher.setup();
    let read = |name: &str| std::fs::read_to_string(launcher.root().join(name)).unwrap();
    assert_eq!(read("envvars"), "# mine\n");
    assert_eq!(read("rewrite.conf"), "# mine\n");
    assert_ne!(read("httpd.conf"), "# mine\n");
}

#[test]
fn the_summary_says_where_everything_is() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().arg("hello.py");
    let summary = launcher.setup();
    let root = launcher.root().display().to_string();
    for expected in [
        format!("Server URL         : http://localhost:{}/", launcher.port()),
        format!(
            "Application        : {}/hello.py (application)",
            launcher.directory().display()
        ),
        "Request Capacity   : 1 process × 5 threads".to_owned(),
        format!("Server Conf        : {root}/httpd.conf"),
        format!("Error Log File     : {root}/error_log (warn)"),
        format!("Control Script     : {root}/apachectl"),
    ] {
        assert!(
            summary.contains(&expected),
            "no {expected:?} in:\n{summary}"
        );
    }
}
