//! What is refused before Apache starts: one clear line and a code each.

use std::os::unix::fs::symlink;

use super::Launcher;
use super::launcher::text;
use crate::harness::{allow, is_root, needs, only_rsgi};

const USAGE: i32 = 2;
const APPLICATION: i32 = 3;
const INSTALLATION: i32 = 4;
const PORT: i32 = 5;
const FAILURE: i32 = 1;

#[test]
fn a_missing_script_is_named() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().arg("nope.py");
    launcher.refused(APPLICATION, &["nope.py` does not exist"]);
}

#[test]
fn a_module_or_a_paste_configuration_has_to_be_named() {
    only_rsgi!("the launcher is ours");
    for kind in ["module", "paste"] {
        let launcher = Launcher::new().args(&["--application-type", kind]);
        launcher.refused(USAGE, &[&format!("`--application-type {kind}` needs")]);
    }
}

#[test]
fn a_directory_in_place_of_a_script_suggests_the_script_in_it() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().file("shop/wsgi.py", "").arg("shop");
    launcher.refused(APPLICATION, &["is a directory", "shop/wsgi.py`"]);
}

#[test]
fn a_script_the_web_user_cannot_read_is_named() {
    only_rsgi!("the launcher is ours");
    needs!(is_root(), "only root serves as somebody else");
    let launcher = Launcher::new().arg("hello.py");
    allow(&launcher.path("hello.py"), 0o600);
    launcher.refused(APPLICATION, &["cannot read", "hello.py`", "--user"]);
}

#[test]
fn a_folder_on_the_way_that_the_web_user_cannot_enter_is_the_component_named() {
    only_rsgi!("the launcher is ours");
    needs!(is_root(), "only root serves as somebody else");
    let launcher = Launcher::new()
        .file("shut/inner/app.py", super::launcher::HELLO)
        .arg("shut/inner/app.py");
    allow(&launcher.path("shut"), 0o700);
    let shut = format!("cannot enter `{}`", launcher.path("shut").display());
    launcher.refused(APPLICATION, &[&shut, "on the way to", "inner/app.py`"]);
}

#[test]
fn a_folder_behind_a_link_is_named_by_its_own_path() {
    only_rsgi!("the launcher is ours");
    needs!(is_root(), "only root serves as somebody else");
    let launcher = Launcher::new()
        .file("shut/inner/app.py", super::launcher::HELLO)
        .arg("link/app.py");
    symlink(launcher.path("shut/inner"), launcher.path("link")).unwrap();
    allow(&launcher.path("shut"), 0o700);
    let shut = format!("cannot enter `{}`", launcher.path("shut").display());
    launcher.refused(APPLICATION, &[&shut]);
}

#[test]
fn a_working_directory_the_web_user_cannot_enter_is_refused() {
    only_rsgi!("the launcher is ours");
    needs!(is_root(), "only root serves as somebody else");
    let launcher =
        Launcher::new()
            .file("shut/x", "")
            .args(&["hello.py", "--working-directory", "shut"]);
    allow(&launcher.path("shut"), 0o700);
    launcher.refused(APPLICATION, &["`--working-directory`", "cannot enter"]);
}

#[test]
fn a_missing_callable_suggests_the_one_that_is_there() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("a.py", "def app(environ, start_response): ...\n")
        .arg("a.py");
    launcher.refused(
        APPLICATION,
        &["has no `application`", "`--callable-object app`"],
    );
}

#[test]
fn a_callable_that_cannot_be_called_is_refused() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("a.py", "application = 1\n")
        .arg("a.py");
    launcher.refused(APPLICATION, &["`application`", "cannot be called"]);
}

#[test]
fn a_script_that_raises_is_told_with_its_exception_and_line() {
    only_rsgi!("the launcher is ours");
    let cases = [
        (
            "import os\nraise ValueError('bad\\nthing')\n",
            "`ValueError: bad`",
            "a.py` line 2",
        ),
        ("def x(:\n", "`SyntaxError: ", "a.py` line 1"),
        (
            "import no_such_module\n",
            "`ModuleNotFoundError: No module named 'no_such_module'`",
            "the Python is `",
        ),
        (
            "import helper\n",
            "`ZeroDivisionError: division by zero`",
            "helper.py` line 1",
        ),
        ("raise SystemExit(3)\n", "`SystemExit: 3`", "a.py` line 1"),
        ("import os; os._exit(0)\n", "without an exception", "a.py"),
    ];
    for (source, exception, place) in cases {
        let launcher = Launcher::new()
            .file("a.py", source)
            .file("helper.py", "1 / 0\n")
            .arg("a.py");
        launcher.refused(APPLICATION, &[exception, place]);
    }
}

#[test]
fn a_missing_module_is_told_without_the_import_systems_own_lines() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().args(&["--application-type", "module", "shop.web"]);
    launcher.refused(
        APPLICATION,
        &["`shop.web` does not load", "No module named 'shop'"],
    );
}

#[test]
fn setup_only_does_not_load_the_application() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("a.py", "raise ValueError\n")
        .arg("a.py");
    launcher.setup();
    let launcher = launcher.arg("--setup-only");
    let output = launcher.output("start-server");
    assert!(output.status.success(), "{}", text(&output));
    assert!(launcher.processes().is_empty());
}

#[test]
fn a_used_port_is_told_with_the_process_that_has_it() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().arg("hello.py");
    let _taken = std::net::TcpListener::bind(("0.0.0.0", launcher.port())).unwrap();
    let port = format!("port `{}` is in use by", launcher.port());
    let pid = format!("(process {})", std::process::id());
    launcher.refused(PORT, &[&port, &pid, "--port"]);
}

#[test]
fn an_address_of_another_machine_is_refused() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().args(&["hello.py", "--host", "192.0.2.1"]);
    launcher.refused(PORT, &["cannot listen on `192.0.2.1:"]);
}

#[test]
fn options_with_values_that_make_no_sense_are_named() {
    only_rsgi!("the launcher is ours");
    let cases: [(&[&str], &str); 11] = [
        (&["--host", "a b"], "`--host`: `a b`"),
        (&["--mount-point", "/a?b"], "`--mount-point`: `/a?b`"),
        (&["--callable-object", "a.b"], "`--callable-object`: `a.b`"),
        (&["--server-mpm", "threads"], "`--server-mpm`: `threads`"),
        (&["--document-root", "nope"], "`--document-root`"),
        (
            &["--include-file", "nope"],
            "`--include-file`: there is no file",
        ),
        (&["--python-path", "a:b"], "has a colon in it"),
        (
            &["--working-directory", "a\nb"],
            "has a control character in it",
        ),
        (&["--url-alias", "/x", "${HOME}x{}"], "Apache would replace"),
        (
            &["--user", "no-such-user"],
            "there is no user `no-such-user`",
        ),
        (
            &["--group", "no-such-group"],
            "there is no group `no-such-group`",
        ),
    ];
    for (arguments, message) in cases {
        let launcher = Launcher::new().arg("hello.py").args(arguments);
        let launcher = launcher.env("HOME", "${");
        let output = launcher.output("start-server");
        let text = text(&output);
        assert!(text.contains(message), "{arguments:?}: {text}");
        assert!(!output.status.success());
    }
}

#[test]
fn serving_as_root_is_refused() {
    only_rsgi!("the launcher is ours");
    needs!(is_root(), "only root could");
    for arguments in [["--user", "root"], ["--user", "#0"], ["--group", "root"]] {
        let launcher = Launcher::new().arg("hello.py").args(&arguments);
        launcher.refused(USAGE, &["must not run"]);
    }
}

#[test]
fn an_apache_or_a_module_that_is_missing_is_named() {
    only_rsgi!("the launcher is ours");
    let cases: [(&[&str], (&'static str, &str), &str); 5] = [
        (
            &["--httpd-executable", "/nope/httpd"],
            ("X", ""),
            "there is no program `/nope/httpd`",
        ),
        (
            &["--httpd-executable", "/bin/true"],
            ("X", ""),
            "no Apache that can load modules",
        ),
        (
            &["--modules-directory", "/usr"],
            ("X", ""),
            "cannot be loaded",
        ),
        (
            &[],
            ("HTTPD", "/nope/apache"),
            "`HTTPD`: there is no program `/nope/apache`",
        ),
        (
            &[],
            ("RSGI_MODULE", "/nope/mod_rsgi.so"),
            "`RSGI_MODULE`: there is no file",
        ),
    ];
    for (arguments, (name, value), message) in cases {
        let launcher = Launcher::new().arg("hello.py").args(arguments);
        launcher.env(name, value).refused(INSTALLATION, &[message]);
    }
}

#[test]
fn a_python_that_cannot_be_used_is_refused_with_the_cure() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().args(&["hello.py", "--python", "/nope/venv"]);
    launcher.refused(INSTALLATION, &["`--python`: `/nope/venv`", ": "]);
    let launcher = Launcher::new()
        .arg("hello.py")
        .env("VIRTUAL_ENV", "/nope/venv");
    launcher.refused(INSTALLATION, &["`VIRTUAL_ENV`: `/nope/venv`"]);
}

#[test]
fn a_python_the_web_user_cannot_read_is_told_with_the_component() {
    only_rsgi!("the launcher is ours");
    needs!(is_root(), "only root serves as somebody else");
    let launcher = Launcher::new().args(&["hello.py", "--python", "shut/venv"]);
    let venv = launcher.path("shut/venv");
    std::fs::create_dir(launcher.path("shut")).unwrap();
    let made = std::process::Command::new("/usr/bin/python3")
        .args(["-m", "venv", "--without-pip"])
        .arg(&venv)
        .status();
    needs!(
        made.is_ok_and(|status| status.success()),
        "python3-venv is not installed"
    );
    allow(&launcher.path("shut"), 0o700);
    let shut = format!("cannot enter `{}`", launcher.path("shut").display());
    launcher.refused(
        INSTALLATION,
        &["`--python`", &shut, "--python /usr/bin/python3"],
    );
}

#[test]
fn a_configuration_apache_refuses_is_shown_with_its_words() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("bad.conf", "NoSuchDirective On\n")
        .args(&["hello.py", "--include-file", "bad.conf"]);
    let output = launcher.output("start-server");
    let text = text(&output);
    assert_eq!(output.status.code(), Some(INSTALLATION), "{text}");
    assert!(text.contains("NoSuchDirective"), "{text}");
}

#[test]
fn a_server_root_that_others_control_is_refused() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().arg("hello.py");
    symlink(launcher.directory(), launcher.root()).unwrap();
    launcher.refused(FAILURE, &["is a link"]);
    std::fs::remove_file(launcher.root()).unwrap();

    std::fs::create_dir(launcher.root()).unwrap();
    allow(&launcher.root(), 0o777);
    launcher.refused(FAILURE, &["can be written to by others"]);
    allow(&launcher.root(), 0o755);

    needs!(is_root(), "only root can give a directory away");
    std::os::unix::fs::chown(launcher.root(), Some(65_534), None).unwrap();
    launcher.refused(FAILURE, &["belongs to user number 65534"]);
}

#[test]
fn a_second_server_in_the_same_server_root_is_refused() {
    only_rsgi!("the launcher is ours");
    let run = Launcher::new().arg("hello.py").start();
    // Another port, the same directory.
    let other = Launcher::new();
    let root = run.launcher.root().display().to_string();
    let other = other.args(&["../../x", "--server-root", &root]);
    let hello = run.launcher.path("hello.py").display().to_string();
    let other = other.args(&["--entry-point", &hello]);
    other.refused(FAILURE, &["is in use by process", "apachectl stop`"]);
}
