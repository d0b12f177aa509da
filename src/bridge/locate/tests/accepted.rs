//! Layouts that have a Python.

use super::Tree;

/// sysconfig data of a Python that was configured with a prefix.
fn sysconfig(prefix: &str, library_folder: &str, is_shared: u8) -> String {
    format!(
        "# system configuration generated and used by the sysconfig module\nbuild_time_vars = {{\n    'INSTSONAME': 'libpython3.12.so.1.0',\n    \
         'LIBDIR': '{library_folder}',\n    'LIBPL': '{library_folder}/config-3.12',\n    'Py_ENABLE_SHARED': {is_shared},\n    'prefix': '{prefix}',\n}}\n"
    )
}

#[test]
fn an_own_build_has_its_library_in_lib() {
    let tree = Tree::new();
    tree.shared("opt", "3.12");
    let found = tree.expect("opt", "opt/lib/libpython3.12.so.1.0", "opt");
    assert!(!found.is_venv);
    assert_eq!(found.minor, 12);
    assert_eq!(found.version, None);
    assert_eq!(found.executable, tree.path("opt/bin/python3"));
    assert_eq!(found.standard_library, tree.path("opt/lib/python3.12"));
}

#[test]
fn the_headers_tell_the_full_version() {
    let tree = Tree::new();
    tree.shared("opt", "3.12").file(
        "opt/include/python3.12/patchlevel.h",
        "#define PY_VERSION \"3.12.1+\"\n",
    );
    let found = tree.locate("opt").unwrap();
    assert_eq!(found.version.as_deref(), Some("3.12.1+"));
}

#[test]
fn headers_of_another_version_tell_nothing() {
    let tree = Tree::new();
    tree.shared("opt", "3.12").file(
        "opt/include/python3.12/patchlevel.h",
        "#define PY_VERSION \"3.11.2\"\n",
    );
    assert_eq!(tree.locate("opt").unwrap().version, None);
}

#[test]
fn fedora_has_library_and_standard_library_in_lib64() {
    let tree = Tree::new();
    tree.file("usr/bin/python3.12", "a program")
        .link("python3.12", "usr/bin/python3")
        .file("usr/lib64/python3.12/os.py", "")
        .object("usr/lib64/libpython3.12.so.1.0");
    let found = tree.expect("usr", "usr/lib64/libpython3.12.so.1.0", "usr");
    assert_eq!(found.standard_library, tree.path("usr/lib64/python3.12"));
}

#[test]
fn debian_has_the_library_in_a_multiarch_folder() {
    let tree = Tree::new();
    tree.installed("usr", "3.12")
        .object("usr/lib/riscv64-linux-gnu/libpython3.12.so.1.0");
    let library = "usr/lib/riscv64-linux-gnu/libpython3.12.so.1.0";
    tree.expect("usr", library, "usr");
}

#[test]
fn a_multiarch_folder_of_another_processor_is_passed_over() {
    let tree = Tree::new();
    tree.installed("usr", "3.12")
        .foreign_object("usr/lib/aaa-linux-gnu/libpython3.12.so.1.0")
        .object("usr/lib/zzz-linux-musl/libpython3.12.so.1.0");
    let library = "usr/lib/zzz-linux-musl/libpython3.12.so.1.0";
    tree.expect("usr", library, "usr");
}

#[test]
fn a_venv_is_followed_to_its_base_and_keeps_its_own_executable() {
    let tree = Tree::new();
    tree.shared("opt", "3.12").venv("env", "opt");
    let found = tree.expect("env", "opt/lib/libpython3.12.so.1.0", "opt");
    assert!(found.is_venv);
    assert_eq!(found.executable, tree.path("env/bin/python"));
}

#[test]
fn a_venv_may_be_named_by_its_bin_or_its_python() {
    let tree = Tree::new();
    tree.shared("opt", "3.12").venv("env", "opt");
    for (home, executable) in [
        ("env/bin", "env/bin/python3"),
        ("env/bin/python", "env/bin/python"),
        ("env/bin/python3", "env/bin/python3"),
        ("env/bin/python3.12", "env/bin/python3.12"),
    ] {
        let found = tree.expect(home, "opt/lib/libpython3.12.so.1.0", "opt");
        assert!(found.is_venv, "{home}");
        assert_eq!(found.executable, tree.path(executable));
    }
}

#[test]
fn a_venv_of_copies_is_followed_by_its_config() {
    let tree = Tree::new();
    tree.shared("opt", "3.12")
        .file(
            "env/pyvenv.cfg",
            "home = {root}/opt/bin\nversion = 3.12.1\n",
        )
        .file("env/bin/python", "a copy")
        .folder("env/lib/python3.12/site-packages");
    tree.expect("env", "opt/lib/libpython3.12.so.1.0", "opt");
}

#[test]
fn a_venv_of_copies_without_packages_has_its_version_from_the_config() {
    let tree = Tree::new();
    tree.shared("opt", "3.12")
        .file(
            "env/pyvenv.cfg",
            "HOME = {root}/opt/bin\r\nversion_info = 3.12.1.final.0\r\n",
        )
        .file("env/bin/python", "a copy");
    tree.expect("env", "opt/lib/libpython3.12.so.1.0", "opt");
}

#[test]
fn a_virtualenv_is_followed() {
    let tree = Tree::new();
    tree.shared("opt", "3.12")
        .file(
            "env/pyvenv.cfg",
            "home = {root}/opt/bin\nimplementation = CPython\nversion_info = 3.12.1.final.0\nvirtualenv = 20.25.0\n\
             base-prefix = {root}/opt\nbase-exec-prefix = {root}/opt\nbase-executable = {root}/opt/bin/python3.12\n",
        )
        .link("{root}/opt/bin/python3.12", "env/bin/python")
        .folder("env/lib/python3.12/site-packages");
    tree.expect("env", "opt/lib/libpython3.12.so.1.0", "opt");
}

#[test]
fn a_uv_environment_is_followed_through_its_minor_version_link() {
    let tree = Tree::new();
    tree.shared("uv/cpython-3.12.1-linux", "3.12")
        .link("cpython-3.12.1-linux", "uv/cpython-3.12-linux")
        .file(
            "env/pyvenv.cfg",
            "home = {root}/uv/cpython-3.12-linux/bin\nimplementation = CPython\nuv = 0.9.2\nversion_info = 3.12.1\n",
        )
        .link("{root}/uv/cpython-3.12-linux/bin/python3.12", "env/bin/python")
        .link("python", "env/bin/python3")
        .folder("env/lib/python3.12/site-packages");
    let library = "uv/cpython-3.12.1-linux/lib/libpython3.12.so.1.0";
    tree.expect("env", library, "uv/cpython-3.12.1-linux");
}

#[test]
fn a_uv_python_that_says_it_was_installed_elsewhere_is_found_where_it_is() {
    let tree = Tree::new();
    tree.shared("uv/cpython-3.12.1-linux", "3.12").file(
        "uv/cpython-3.12.1-linux/lib/python3.12/_sysconfigdata__linux_.py",
        &sysconfig("/install", "/install/lib", 1),
    );
    let library = "uv/cpython-3.12.1-linux/lib/libpython3.12.so.1.0";
    tree.expect(
        "uv/cpython-3.12.1-linux",
        library,
        "uv/cpython-3.12.1-linux",
    );
}

#[test]
fn a_version_of_pyenv_and_an_environment_under_it_are_found() {
    let tree = Tree::new();
    tree.shared("pyenv/versions/3.12.1", "3.12")
        .venv("pyenv/versions/3.12.1/envs/web", "pyenv/versions/3.12.1")
        .link(
            "{root}/pyenv/versions/3.12.1/envs/web",
            "pyenv/versions/web",
        );
    let library = "pyenv/versions/3.12.1/lib/libpython3.12.so.1.0";
    let base = "pyenv/versions/3.12.1";
    assert!(!tree.expect(base, library, base).is_venv);
    assert!(tree.expect("pyenv/versions/web", library, base).is_venv);
}

#[test]
fn conda_ships_a_shared_library_beside_a_static_program() {
    let tree = Tree::new();
    tree.shared("conda/envs/web", "3.12");
    for name in [
        "_sysconfigdata__linux_x86_64-linux-gnu.py",
        "_sysconfigdata_x86_64_conda_linux_gnu.py",
    ] {
        let path = format!("conda/envs/web/lib/python3.12/{name}");
        tree.file(&path, &sysconfig("/croot", "/croot/lib", 0));
    }
    tree.expect(
        "conda/envs/web",
        "conda/envs/web/lib/libpython3.12.so.1.0",
        "conda/envs/web",
    );
}

#[test]
fn the_newest_of_several_numbered_pythons_is_taken_where_there_is_no_python3() {
    let tree = Tree::new();
    for version in ["3.9", "3.12", "3.11"] {
        tree.file(&format!("opt/bin/python{version}"), "a program")
            .file(&format!("opt/bin/python{version}-config"), "#!/bin/sh")
            .file(&format!("opt/lib/python{version}/os.py"), "")
            .object(&format!("opt/lib/libpython{version}.so.1.0"));
    }
    assert_eq!(tree.library("opt"), "opt/lib/libpython3.12.so.1.0");
    assert_eq!(
        tree.library("opt/bin/python3.11"),
        "opt/lib/libpython3.11.so.1.0"
    );
}

#[test]
fn a_home_that_is_a_chain_of_links_is_followed() {
    let tree = Tree::new();
    tree.shared("store/python-3.12.1", "3.12")
        .link("store/python-3.12.1", "second")
        .link("second", "first");
    tree.expect(
        "first",
        "store/python-3.12.1/lib/libpython3.12.so.1.0",
        "store/python-3.12.1",
    );
}

#[test]
fn a_python3_linked_into_another_prefix_belongs_to_its_own() {
    let tree = Tree::new();
    tree.shared("store/python", "3.12")
        .object("local/lib/libpython3.12.so.1.0")
        .file("local/lib/python3.12/os.py", "")
        .link("{root}/store/python/bin/python3.12", "alternatives/python3")
        .link("{root}/alternatives/python3", "local/bin/python3");
    tree.expect(
        "local",
        "store/python/lib/libpython3.12.so.1.0",
        "store/python",
    );
}

#[test]
fn a_library_in_a_folder_that_only_sysconfig_names_is_found() {
    let tree = Tree::new();
    let root = tree.path("").display().to_string();
    let root = root.trim_end_matches('/');
    tree.installed("opt", "3.12")
        .object("shared/libpython3.12.so.1.0")
        .file(
            "opt/lib/python3.12/_sysconfigdata__linux_.py",
            &sysconfig(&format!("{root}/opt"), &format!("{root}/shared"), 1),
        );
    tree.expect("opt", "shared/libpython3.12.so.1.0", "opt");
}

#[test]
fn a_library_in_the_config_folder_is_found() {
    let tree = Tree::new();
    let root = tree.path("opt/lib").display().to_string();
    tree.installed("opt", "3.12")
        .object("opt/lib/config-3.12/libpython3.12.so.1.0")
        .file(
            "opt/lib/python3.12/_sysconfigdata__linux_.py",
            &sysconfig("/elsewhere", &root, 1),
        );
    tree.expect("opt", "opt/lib/config-3.12/libpython3.12.so.1.0", "opt");
}

#[test]
fn a_venv_made_by_a_venvs_python_is_followed_to_the_base() {
    let tree = Tree::new();
    tree.shared("opt", "3.12")
        .venv("outer", "opt")
        .file(
            "inner/pyvenv.cfg",
            "home = {root}/outer/bin\nversion = 3.12.1\n",
        )
        .link("{root}/outer/bin/python3", "inner/bin/python")
        .folder("inner/lib/python3.12/site-packages");
    tree.expect("inner", "opt/lib/libpython3.12.so.1.0", "opt");
}

#[test]
fn a_python_2_beside_it_does_not_matter() {
    let tree = Tree::new();
    tree.shared("usr", "3.12")
        .file("usr/bin/python2.7", "a program");
    std::fs::remove_file(tree.path("usr/bin/python")).unwrap();
    tree.link("python2.7", "usr/bin/python");
    tree.expect("usr", "usr/lib/libpython3.12.so.1.0", "usr");
}

#[test]
fn a_standard_library_in_a_zip_file_counts() {
    let tree = Tree::new();
    tree.file("opt/bin/python3.12", "a program")
        .file("opt/lib/python312.zip", "PK")
        .object("opt/lib/libpython3.12.so.1.0");
    let found = tree.expect("opt", "opt/lib/libpython3.12.so.1.0", "opt");
    assert_eq!(found.standard_library, tree.path("opt/lib/python312.zip"));
}

#[test]
fn a_library_that_is_a_link_is_taken() {
    let tree = Tree::new();
    tree.installed("opt", "3.12")
        .object("store/libpython3.12.so.1.0")
        .link(
            "{root}/store/libpython3.12.so.1.0",
            "opt/lib/libpython3.12.so.1.0",
        );
    tree.expect("opt", "opt/lib/libpython3.12.so.1.0", "opt");
}

#[test]
fn an_ordinary_build_beside_a_free_threaded_one_is_taken() {
    let tree = Tree::new();
    tree.shared("opt", "3.14")
        .file("opt/bin/python3.14t", "a program")
        .file("opt/lib/python3.14t/os.py", "")
        .object("opt/lib/libpython3.14t.so.1.0");
    tree.expect("opt", "opt/lib/libpython3.14.so.1.0", "opt");
}

#[test]
fn a_free_threaded_python_is_taken_however_it_shows() {
    let tree = Tree::new();
    tree.shared("named", "3.14t")
        .file("unnamed/bin/python3.14", "a program")
        .file("unnamed/lib/python3.14t/os.py", "")
        .object("unnamed/lib/libpython3.14t.so.1.0")
        .file(
            "env/pyvenv.cfg",
            "home = {root}/unnamed/bin\nversion_info = 3.14.0\n",
        )
        .link("{root}/unnamed/bin/python3.14", "env/bin/python")
        .folder("env/lib/python3.14t/site-packages");
    for (home, base) in [
        ("named", "named"),
        ("unnamed", "unnamed"),
        ("env", "unnamed"),
    ] {
        let found = tree
            .locate(home)
            .unwrap_or_else(|error| panic!("{home}: {error}"));
        assert!(found.free_threaded, "{home}");
        let library = format!("{base}/lib/libpython3.14t.so.1.0");
        assert_eq!(found.library, tree.path(&library));
    }
}
