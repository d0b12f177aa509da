//! Layouts that have no usable Python, and the sentences that say so.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use proptest::prelude::*;

use super::super::{Distribution, LocateError, locate_system};
use super::{Tree, locate};

#[test]
fn a_missing_home() {
    let tree = Tree::new();
    assert_eq!(
        tree.refusal("none"),
        "`{root}/none` does not exist: make the environment there or correct the path"
    );
    assert!(
        tree.file("file", "")
            .refusal("file/under")
            .contains("does not exist")
    );
}

#[test]
fn an_environment_whose_python_is_gone() {
    let tree = Tree::new();
    tree.venv("env", "gone");
    let expected = "`{root}/env/bin/python` leads to `{root}/gone/bin/python3`, which is gone: make the environment again";
    assert_eq!(tree.refusal("env"), expected);
    assert_eq!(tree.refusal("env/bin/python"), expected);
}

#[test]
fn a_home_that_is_a_link_to_nothing() {
    let tree = Tree::new();
    tree.link("nowhere", "env");
    assert!(
        tree.refusal("env")
            .starts_with("`{root}/env` leads to `{root}/nowhere`, which is gone")
    );
}

#[test]
fn a_loop_of_links() {
    let tree = Tree::new();
    tree.link("b", "a")
        .link("a", "b")
        .link("python", "env/bin/python");
    assert!(tree.refusal("a").contains("cannot be read"));
    assert!(tree.refusal("env").contains("leads to"));
}

#[test]
fn a_folder_without_a_python() {
    let tree = Tree::new();
    tree.folder("empty");
    assert_eq!(
        tree.refusal("empty"),
        "`{root}/empty` is neither a virtual environment nor a Python prefix, it has no bin/python3: name the folder that has"
    );
}

#[test]
fn a_relative_home_is_refused_by_its_absolute_name() {
    let here = std::env::current_dir().unwrap();
    let error = locate(Some(std::path::Path::new("no-such-environment"))).unwrap_err();
    let expected = format!(
        "`{}` does not exist",
        here.join("no-such-environment").display()
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[test]
fn a_projects_folder_gets_its_environment_named() {
    let tree = Tree::new();
    tree.shared("opt", "3.12").venv("project/.venv", "opt");
    assert!(
        tree.refusal("project")
            .ends_with(", for instance `{root}/project/.venv`")
    );
}

#[test]
fn pyenvs_own_folder_gets_its_newest_usable_version_named() {
    let tree = Tree::new();
    for version in ["3.9", "3.12", "3.10"] {
        tree.shared(&format!("pyenv/versions/{version}.1"), version);
    }
    assert!(
        tree.refusal("pyenv")
            .ends_with(", for instance `{root}/pyenv/versions/3.12.1`")
    );
}

#[test]
fn a_file_that_is_no_python() {
    let tree = Tree::new();
    tree.file("env/bin/activate", "");
    assert_eq!(
        tree.refusal("env/bin/activate"),
        "`{root}/env/bin/activate` is neither a folder nor a Python: name the folder that has bin/python3"
    );
}

#[test]
fn a_shim_of_pyenv() {
    let tree = Tree::new();
    tree.file("pyenv/shims/python3", "#!/usr/bin/env bash\n");
    for home in ["pyenv/shims", "pyenv/shims/python3"] {
        let refusal = tree.refusal(home);
        assert!(
            refusal.starts_with("`{root}/pyenv/shims/python3` is a script that chooses a Python")
        );
    }
}

#[test]
fn a_static_python() {
    let tree = Tree::new();
    tree.installed("opt", "3.12").file(
        "opt/lib/python3.12/_sysconfigdata__linux_.py",
        "build_time_vars = {'INSTSONAME': 'libpython3.12.a',\n 'LIBDIR': '{root}/opt/lib',\n 'Py_ENABLE_SHARED': 0,\n 'prefix': '{root}/opt'}\n",
    );
    assert_eq!(
        tree.refusal("opt"),
        "the Python 3.12 at `{root}/opt` was built without a shared library: build it again with `./configure --enable-shared`"
    );
}

#[test]
fn a_static_python_of_pyenv_and_an_environment_of_it() {
    let tree = Tree::new();
    tree.installed("pyenv/versions/3.12.1", "3.12")
        .file(
            "pyenv/versions/3.12.1/lib/python3.12/_sysconfigdata__linux_.py",
            "build_time_vars = {\n    'Py_ENABLE_SHARED': 0,\n}\n",
        )
        .venv("env", "pyenv/versions/3.12.1");
    for home in ["pyenv/versions/3.12.1", "env"] {
        let refusal = tree.refusal(home);
        assert!(
            refusal.ends_with("`PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install --force 3.12`"),
            "{refusal}"
        );
    }
}

#[test]
fn a_copied_python_does_not_take_the_library_of_where_it_was_built() {
    let tree = Tree::new();
    tree.shared("built", "3.12").installed("copied", "3.12").file(
        "copied/lib/python3.12/_sysconfigdata__linux_.py",
        "build_time_vars = {'INSTSONAME': 'libpython3.12.so.1.0',\n 'LIBDIR': '{root}/built/lib',\n 'prefix': '{root}/built'}\n",
    );
    assert_eq!(
        tree.refusal("copied"),
        "libpython3.12.so.1.0 of the Python at `{root}/copied` is not there: install that Python again, built with `--enable-shared`"
    );
}

#[test]
fn a_missing_library_names_the_distributions_package() {
    let error = |distribution| {
        LocateError::MissingLibrary {
            base: "/usr".into(),
            minor: 11,
            name: "libpython3.11.so.1.0".to_owned(),
            distribution: Some(distribution),
        }
        .to_string()
    };
    assert_eq!(
        error(Distribution::Debian),
        "libpython3.11.so.1.0 of the Python at `/usr` is not there: `apt install libpython3.11` brings it"
    );
    assert!(error(Distribution::Fedora).contains("python3-libs"));
    assert!(error(Distribution::Alpine).contains("apk add python3"));
    assert!(error(Distribution::Other).contains("libpython3.11 on Debian"));
}

#[test]
fn distributions_are_told_by_os_release() {
    for (text, expected) in [
        ("PRETTY_NAME=\"x\"\nID=debian\n", Distribution::Debian),
        (
            "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n",
            Distribution::Debian,
        ),
        (
            "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
            Distribution::Fedora,
        ),
        ("ID=alpine", Distribution::Alpine),
        ("ID='arch'", Distribution::Arch),
        (
            "ID=opensuse-leap\nID_LIKE='suse opensuse'",
            Distribution::Suse,
        ),
        ("ID=nixos", Distribution::Other),
        ("", Distribution::Other),
    ] {
        assert_eq!(Distribution::from_os_release(text), expected, "{text}");
    }
}

#[test]
fn other_implementations() {
    let tree = Tree::new();
    tree.file("pypy/bin/pypy3.10", "a program")
        .link("pypy3.10", "pypy/bin/pypy3")
        .link("pypy3", "pypy/bin/python3")
        .file("bare/bin/pypy3", "a program")
        .file("graal/bin/graalpy", "a program")
        .link("graalpy", "graal/bin/python3")
        .file("env/pyvenv.cfg", "home = /usr/bin\nimplementation = PyPy\n")
        .file("env/bin/python", "a copy");
    for (home, expected) in [
        ("pypy", "`{root}/pypy/bin/python3` is PyPy: only CPython"),
        ("bare", "`{root}/bare/bin/pypy3` is PyPy: only CPython"),
        (
            "graal",
            "`{root}/graal/bin/python3` is GraalPy: only CPython",
        ),
        ("env", "`{root}/env` is made for PyPy: only CPython"),
    ] {
        let refusal = tree.refusal(home);
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

#[test]
fn a_free_threaded_python_of_3_13_however_it_shows() {
    let tree = Tree::new();
    tree.shared("named", "3.13t")
        .file("unnamed/bin/python3.13", "a program")
        .file("unnamed/lib/python3.13t/os.py", "")
        .object("unnamed/lib/libpython3.13t.so.1.0")
        .file(
            "env/pyvenv.cfg",
            "home = {root}/unnamed/bin\nversion_info = 3.13.0\n",
        )
        .link("{root}/unnamed/bin/python3.13", "env/bin/python")
        .folder("env/lib/python3.13t/site-packages");
    for home in ["named", "unnamed", "env"] {
        let refusal = tree.refusal(home);
        assert!(refusal.contains("is a free-threaded build"), "{refusal}");
    }
}

#[test]
fn versions_that_are_not_supported() {
    let tree = Tree::new();
    tree.shared("old", "3.9")
        .shared("new", "3.16")
        .file("two/bin/python2.7", "")
        .link("python2.7", "two/bin/python");
    for (home, version) in [("old", "3.9"), ("new", "3.16"), ("two", "2.7")] {
        assert_eq!(
            tree.refusal(home),
            format!(
                "the Python of `{{root}}/{home}` is {version}, supported are 3.10 to 3.15: make the environment with one of these"
            )
        );
    }
}

#[test]
fn an_environment_whose_base_was_removed() {
    let tree = Tree::new();
    tree.file(
        "env/pyvenv.cfg",
        "home = {root}/gone/bin\nversion = 3.12.1\n",
    )
    .file("env/bin/python", "a copy");
    assert_eq!(
        tree.refusal("env"),
        "`{root}/env/pyvenv.cfg` says that its Python is in `{root}/gone/bin`, which is gone: make the environment again"
    );
}

#[test]
fn an_environment_whose_base_was_upgraded() {
    let tree = Tree::new();
    tree.shared("usr", "3.13").venv("env", "usr");
    assert_eq!(
        tree.refusal("env"),
        "`{root}/env` was made for Python 3.12 but its Python is now 3.13, which does not see its packages: make the environment again"
    );
}

#[test]
fn a_python_without_its_standard_library() {
    let tree = Tree::new();
    tree.file("opt/bin/python3.12", "a program")
        .object("opt/lib/libpython3.12.so.1.0");
    assert!(
        tree.refusal("opt")
            .contains("has no standard library under `{root}/opt`")
    );
}

#[test]
fn libraries_that_cannot_be_opened() {
    let tree = Tree::new();
    tree.installed("foreign", "3.12")
        .foreign_object("foreign/lib/libpython3.12.so.1.0")
        .installed("script", "3.12")
        .file(
            "script/lib/libpython3.12.so.1.0",
            "GROUP ( libpython3.12.so.1 )",
        )
        .file("program/lib/python3.12/os.py", "")
        .foreign_object("program/bin/python3.12");
    for (home, expected) in [
        (
            "foreign",
            "`{root}/foreign/lib/libpython3.12.so.1.0` is built for another processor (",
        ),
        (
            "script",
            "`{root}/script/lib/libpython3.12.so.1.0` is not a shared library: ",
        ),
        (
            "program",
            "`{root}/program/bin/python3.12` is built for another processor: ",
        ),
    ] {
        let refusal = tree.refusal(home);
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

#[test]
fn a_python_that_tells_no_version() {
    let tree = Tree::new();
    tree.file("opt/bin/python3", "a program");
    assert!(
        tree.refusal("opt")
            .starts_with("no file of `{root}/opt` tells which version")
    );
}

#[test]
fn a_system_without_a_python3() {
    let tree = Tree::new();
    let error = locate_system(&[tree.path("usr/bin/python3").as_path()]).unwrap_err();
    assert!(matches!(error, LocateError::NoSystemPython), "{error}");
}

#[test]
fn what_this_process_may_not_read_is_not_called_missing() {
    // SAFETY: asks for a number.
    if unsafe { libc::geteuid() } != 0 {
        return;
    }
    let tree = Tree::new();
    tree.shared("closed/opt", "3.12").venv("env", "closed/opt");
    let set_mode = |path: &str, mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(tree.path(path), mode).unwrap();
    };
    set_mode("", 0o755);
    set_mode("closed", 0o700);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: changes what this thread alone may reach, no memory.
            unsafe { libc::setfsuid(65_000) };
            for home in ["closed/opt", "env"] {
                let refusal = tree.refusal(home);
                assert!(
                    refusal.contains("cannot be read (Permission denied"),
                    "{refusal}"
                );
            }
        });
    });
}

fn fifo(path: PathBuf) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a C string.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
}

#[test]
fn pipes_in_place_of_files_do_not_block() {
    let tree = Tree::new();
    tree.installed("opt", "3.12");
    fifo(tree.path("opt/lib/libpython3.12.so.1.0"));
    fifo(tree.path("opt/pyvenv.cfg"));
    fifo(tree.path("opt/lib/python3.12/_sysconfigdata__linux_.py"));
    fifo(tree.path("opt/include/python3.12/patchlevel.h"));
    fifo(tree.path("pipe/bin/python3"));
    // A prefix with a pyvenv.cfg is never a base, whatever that file is.
    assert!(tree.refusal("opt").contains("has no standard library"));
    assert!(
        tree.refusal("pipe")
            .contains("neither a virtual environment nor")
    );
    assert!(
        tree.refusal("pipe/bin/python3")
            .contains("neither a folder nor a Python")
    );
}

#[test]
fn endless_and_huge_files_are_not_read() {
    let tree = Tree::new();
    tree.shared("opt", "3.12")
        .link("/dev/zero", "opt/include/python3.12/patchlevel.h")
        .file(
            "env/pyvenv.cfg",
            &format!("home = /nowhere\n{}", "#".repeat(70_000)),
        )
        .link("{root}/opt/bin/python3", "env/bin/python");
    assert_eq!(tree.locate("opt").unwrap().version, None);
    assert!(!tree.locate("env").unwrap().is_venv);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_in_an_environments_files_makes_it_panic(
        config in prop::collection::vec(any::<u8>(), 0..300),
        lines in prop::collection::vec("(home|version|version_info|base-prefix|executable) ?= ?[/.a-z0-9]{0,20}", 0..5),
        data in "(build_time_vars = \\{)?(['\" {}:,a-zA-Z0-9/\n]|'LIBDIR'|'INSTSONAME'|'prefix'){0,40}",
    ) {
        let tree = Tree::new();
        tree.installed("opt", "3.12")
            .file("opt/lib/python3.12/_sysconfigdata__linux_.py", &data)
            .file("opt/include/python3.12/patchlevel.h", &data)
            .file("env/bin/python", "a copy");
        let mut text = lines.join("\n").into_bytes();
        text.push(b'\n');
        text.extend(config);
        std::fs::write(tree.path("env/pyvenv.cfg"), text).unwrap();
        for home in ["opt", "env"] {
            if let Err(error) = tree.locate(home) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
