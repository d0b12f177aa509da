//! WSGIPythonHome: environments of every kind work, and each kind that cannot gets a sentence of its own from
//! `httpd -t`, which then ends with a failure.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::harness::{Builder, Check, Server, allow, is_root, needs, only_rsgi, wait_until};
use crate::kit::{self, Python, clean, run, venv};

/// Where its packages and its standard library come from.
const APP: &str = r#"
import sys, os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    version = "%d.%d" % sys.version_info[:2]
    return [("%s|%s|%s|%s" % (version, sys.prefix, sys.executable, os.__file__)).encode()]
"#;

/// A folder of a server root in which a test makes up an environment.
struct Made {
    builder: Builder,
}

impl Made {
    fn new() -> Self {
        let builder = Server::builder().serve(APP).file("homes/README", b"");
        Self { builder }
    }

    /// Writes a file; `@ROOT@` in it is filled in.
    fn file(mut self, name: &str, text: &str) -> Self {
        let text = self.builder.fill(text);
        self.builder = self.builder.file(&format!("homes/{name}"), text.as_bytes());
        self
    }

    /// A program that is no script, as far as its first bytes tell.
    fn program(self, name: &str) -> Self {
        self.file(name, "\u{7f}ELF")
    }

    fn link(self, name: &str, target: &str) -> Self {
        let path = self.builder.root().join("homes").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(self.builder.fill(target), path).unwrap();
        self
    }

    fn mode(self, name: &str, mode: u32) -> Self {
        allow(&self.builder.root().join("homes").join(name), mode);
        self
    }

    /// An installed Python without a shared library.
    fn installed(self, prefix: &str, version: &str) -> Self {
        self.program(&format!("{prefix}/bin/python{version}"))
            .link(
                &format!("{prefix}/bin/python3"),
                &format!("python{version}"),
            )
            .file(&format!("{prefix}/lib/python{version}/os.py"), "")
    }

    fn check(self, home: &str) -> Check {
        let home = self.builder.fill(&format!("@ROOT@/homes/{home}"));
        self.builder.python_home(Some(&home)).check()
    }

    /// Fails unless `httpd -t` refuses this home with one line that has all the parts.
    #[track_caller]
    fn refused(self, home: &str, parts: &[&str]) {
        let check = self.check(home);
        check.refused_with(parts);
        check.refused_with(&["RSGI0100: WSGIPythonHome (line ", "conf/httpd.conf): "]);
        let lines = check.output.matches("RSGI0").count();
        assert_eq!(lines, 1, "{}", check.output);
    }
}

#[test]
fn a_home_that_is_missing_or_no_environment_is_refused() {
    only_rsgi!("it fails when Python starts");
    Made::new().refused("none", &["homes/none` does not exist"]);
    Made::new().file("empty/readme.txt", "").refused(
        "empty",
        &["neither a virtual environment nor a Python prefix"],
    );
    Made::new()
        .program("project/.venv/bin/python3")
        .refused("project", &["for instance", "project/.venv"]);
    Made::new()
        .file("note.txt", "")
        .refused("note.txt", &["neither a folder nor a Python"]);
}

#[test]
fn an_environment_whose_python_is_gone_is_refused() {
    only_rsgi!("it fails when Python starts");
    Made::new()
        .file(
            "e/pyvenv.cfg",
            "home = @ROOT@/homes/gone/bin\nversion = 3.12.1\n",
        )
        .link("e/bin/python3", "@ROOT@/homes/gone/bin/python3.12")
        .refused(
            "e",
            &[
                "bin/python3` leads to `",
                "gone/bin/python3.12`, which is gone",
            ],
        );
    Made::new()
        .file(
            "e/pyvenv.cfg",
            "home = @ROOT@/homes/gone/bin\nversion = 3.12.1\n",
        )
        .program("e/bin/python3.12")
        .link("e/bin/python3", "python3.12")
        .refused("e", &["pyvenv.cfg` says", "gone/bin`, which is gone"]);
}

#[test]
fn an_environment_that_outlived_a_change_of_its_python_is_refused() {
    only_rsgi!("it fails when Python starts");
    Made::new()
        .installed("base", "3.13")
        .file(
            "e/pyvenv.cfg",
            "home = @ROOT@/homes/base/bin\nversion = 3.12.1\n",
        )
        .link("e/bin/python3", "@ROOT@/homes/base/bin/python3")
        .file("e/lib/python3.12/site-packages/readme.txt", "")
        .refused(
            "e",
            &[
                "made for Python 3.12",
                "now 3.13",
                "make the environment again",
            ],
        );
}

#[test]
fn a_python_without_a_shared_library_is_refused_with_the_way_to_build_one() {
    only_rsgi!("it fails when Python starts");
    let config = "build_time_vars = {'Py_ENABLE_SHARED': 0,\n 'LIBDIR': '/nowhere'}\n";
    Made::new()
        .installed("own", "3.12")
        .file(
            "own/lib/python3.12/_sysconfigdata__linux_x86_64-linux-gnu.py",
            config,
        )
        .refused(
            "own",
            &["without a shared library", "`./configure --enable-shared`"],
        );
    Made::new()
        .installed("versions/3.12.1", "3.12")
        .file(
            "versions/3.12.1/lib/python3.12/_sysconfigdata__linux_x86_64-linux-gnu.py",
            config,
        )
        .refused(
            "versions/3.12.1",
            &["PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install"],
        );
    Made::new().installed("own", "3.12").refused(
        "own",
        &["libpython3.12.so.1.0 of the Python at", "is not there"],
    );
}

#[test]
fn pythons_that_cannot_be_embedded_are_refused_by_name() {
    only_rsgi!("it fails when Python starts");
    Made::new()
        .program("pypy/bin/pypy3")
        .link("pypy/bin/python3", "pypy3")
        .refused("pypy", &["is PyPy", "only CPython"]);
    Made::new()
        .installed("t", "3.13t")
        .refused("t", &["free-threaded build", "supported from 3.14 on"]);
    Made::new()
        .installed("old", "3.8")
        .refused("old", &["is 3.8", "supported are 3.10 to"]);
    Made::new()
        .file("shims/bin/python3", "#!/bin/sh\nexec pyenv exec python3\n")
        .mode("shims/bin/python3", 0o755)
        .refused("shims", &["is a script that chooses a Python"]);
    Made::new()
        .program("e/bin/python3.12")
        .link("e/bin/python3", "python3.12")
        .refused("e", &["has no standard library"]);
}

#[test]
fn a_library_of_another_kind_is_refused() {
    only_rsgi!("it fails when Python starts");
    Made::new()
        .installed("own", "3.12")
        .file("own/lib/libpython3.12.so.1.0", "no library at all")
        .refused(
            "own",
            &[
                "own/lib/libpython3.12.so.1.0`",
                "for this machine's processor",
            ],
        );
}

#[test]
fn a_home_that_the_web_user_cannot_read_is_refused_naming_the_folder() {
    only_rsgi!("it fails when Python starts");
    needs!(is_root(), "needs root: the web user must be another");
    let base = kit::system_python();
    let builder = Server::builder().serve(APP).file("closed/README", b"");
    let home = builder.root().join("closed/env");
    let python = base.executable();
    run(clean(&python)
        .args(["-m", "venv", "--without-pip"])
        .arg(&home));
    allow(&builder.root().join("closed"), 0o700);
    let check = builder.python_home(home.to_str()).check();
    check.refused_with(&[
        "RSGI0102:",
        "closed` may be entered only by root",
        "chmod o+x",
    ]);
}

#[test]
fn a_home_below_a_private_home_folder_is_refused_naming_it() {
    only_rsgi!("it fails when Python starts");
    let pyenv = Path::new("/root/.pyenv/versions/3.12.1");
    needs!(
        is_root() && pyenv.exists(),
        "needs root and a pyenv of root's"
    );
    let check = Server::builder()
        .serve(APP)
        .python_home(pyenv.to_str())
        .check();
    check.refused_with(&["RSGI0102:", "`/root` may be entered only by root"]);
}

#[test]
fn a_home_that_works_is_accepted_by_the_check_without_running_anything() {
    only_rsgi!("the harness gives it no home");
    let check = Made::new()
        .builder
        .python_home(Some(
            venv(&kit::system_python(), "plain", &[]).to_str().unwrap(),
        ))
        .check();
    check.accepted();
    assert_eq!(check.output.trim(), "Syntax OK");
}

/// Starts a server with this home and fails unless its Python says that it is that one.
#[track_caller]
fn serves(home: &Path, python: &Python, prefix: &Path) {
    let server = Server::builder()
        .python_home(home.to_str())
        .serve(APP)
        .start();
    let text = server.text("/");
    let fields: Vec<&str> = text.split('|').collect();
    assert_eq!(fields[0], format!("3.{}", python.minor), "{text}");
    assert_eq!(Path::new(fields[1]), prefix, "{text}");
    assert!(Path::new(fields[2]).starts_with(prefix), "{text}");
    let real = |path: &Path| std::fs::canonicalize(path).unwrap();
    assert!(
        real(Path::new(fields[3])).starts_with(real(&python.home)),
        "{text}"
    );
    let map = format!("libpython3.{}", python.minor);
    wait_until("libpython is mapped", || {
        let maps = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/maps"));
        server
            .workers()
            .iter()
            .any(|pid| maps(pid).is_ok_and(|text| text.contains(&map)))
    });
    server.finish();
}

#[test]
fn an_installed_python_serves_on_every_version() {
    only_rsgi!("it is built for one version");
    for python in kit::pythons() {
        serves(&python.home, python, &python.home);
    }
}

#[test]
fn an_environment_of_venv_serves_on_every_version() {
    only_rsgi!("it is built for one version");
    for python in kit::pythons() {
        let home = venv(python, "plain", &[]);
        serves(&home, python, &home);
        // A Python in it means the same.
        serves(&home.join("bin/python"), python, &home);
        serves(&home.join("bin"), python, &home);
    }
}

#[test]
fn an_environment_of_virtualenv_or_uv_serves() {
    only_rsgi!("it is built for one version");
    let tools = venv(&kit::system_python(), "tools", &["virtualenv", "uv"]);
    let builder = Server::builder();
    for (number, python) in kit::pythons().iter().enumerate() {
        for tool in ["virtualenv", "uv"] {
            let home = builder.root().join(format!("{tool}-{number}"));
            let mut command = clean(&tools.join("bin").join(tool));
            command.env("UV_CACHE_DIR", builder.root().join("cache"));
            if tool == "uv" {
                command.args(["venv", "-q", "--offline"]);
            } else {
                command.arg("-q");
            }
            run(command.arg("--python").arg(python.executable()).arg(&home));
            run(std::process::Command::new("chmod")
                .args(["-R", "go+rX"])
                .arg(&home));
            serves(&home, python, &home);
        }
    }
    std::fs::remove_dir_all(builder.root()).ok();
}

#[test]
fn an_environment_behind_a_link_serves() {
    only_rsgi!("it is built for one version");
    let python = kit::system_python();
    let home = venv(&python, "plain", &[]);
    let builder = Server::builder().serve(APP);
    let link = builder.root().join("current");
    symlink(&home, &link).unwrap();
    let server = builder.python_home(link.to_str()).start();
    let text = server.text("/");
    let prefix = text.split('|').nth(1).unwrap();
    assert_eq!(
        std::fs::canonicalize(prefix).unwrap(),
        std::fs::canonicalize(&home).unwrap()
    );
    server.finish();
}
