//! mod_rsgi beside mod_wsgi, under either of its names, in another httpd, and beside a module that brings a
//! Python of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Builder, Server, module_path, needs, only_rsgi, wait_until};
use crate::kit::{self, run};

const APP: &str = r#"
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"served"]
"#;

/// mod_wsgi of the distribution.
fn mod_wsgi() -> PathBuf {
    let places = [
        "/usr/lib/apache2/modules/mod_wsgi.so",
        "/usr/lib64/httpd/modules/mod_wsgi_python3.so",
        "/usr/lib/apache2/mod_wsgi.so",
    ];
    let found = places.iter().find(|place| Path::new(place).exists());
    found.copied().unwrap_or_default().into()
}

/// A server that loads these modules, each `symbol file`, in this order and no other.
fn loading(modules: &[(&str, &Path)]) -> Builder {
    let lines: Vec<String> = modules
        .iter()
        .map(|(symbol, file)| format!("LoadModule {symbol} \"{}\"", file.display()))
        .collect();
    Server::builder()
        .module_symbol(None)
        .python_home(None)
        .conf_before_module(&lines.join("\n"))
}

#[test]
fn mod_wsgi_beside_it_is_refused_in_both_orders() {
    only_rsgi!("it is about ours");
    let (ours, theirs) = (module_path(), mod_wsgi());
    needs!(
        theirs.exists(),
        "the distribution's mod_wsgi is not installed"
    );
    let pairs = [
        [("rsgi_module", ours.as_path()), ("wsgi_module", &theirs)],
        [("wsgi_module", theirs.as_path()), ("rsgi_module", &ours)],
    ];
    for pair in pairs {
        let check = loading(&pair).serve(APP).check();
        check.refused_with(&[
            "RSGI0302: mod_wsgi is loaded as well",
            "LoadModule",
            "a2dismod wsgi",
        ]);
        assert_eq!(check.output.matches("RSGI0").count(), 1, "{}", check.output);
        let check = loading(&pair).check();
        check.refused_with(&["RSGI0302: "]);
    }
}

#[test]
fn both_of_its_names_at_once_are_refused() {
    only_rsgi!("it has one name");
    let ours = module_path();
    for names in [
        ["rsgi_module", "wsgi_module"],
        ["wsgi_module", "rsgi_module"],
    ] {
        let check = loading(&names.map(|name| (name, ours.as_path())))
            .serve(APP)
            .check();
        check.refused_with(&["RSGI0302: ", "both of its names"]);
    }
}

#[test]
fn the_same_name_for_both_is_apaches_matter_and_the_first_serves() {
    only_rsgi!("it is about ours");
    let (ours, theirs) = (module_path(), mod_wsgi());
    needs!(
        theirs.exists(),
        "the distribution's mod_wsgi is not installed"
    );
    let server = loading(&[("wsgi_module", &ours), ("wsgi_module", &theirs)])
        .serve(APP)
        .allow_log("AH01574: module wsgi_module is already loaded, skipping")
        .start();
    assert_eq!(server.text("/"), "served");
    server.finish();
}

#[test]
fn it_serves_under_either_name_and_sections_for_mod_wsgi_hold() {
    for symbol in ["wsgi_module", "rsgi_module"] {
        if symbol == "rsgi_module" {
            only_rsgi!("it has one name");
        }
        let server = Server::builder()
            .module_symbol(Some(symbol))
            .app("app.wsgi", APP)
            .conf(&format!(
                "<IfModule mod_wsgi.c>\nWSGIScriptAlias /file @APPS@/app.wsgi\n</IfModule>\n\
                 <IfModule !mod_wsgi.c>\nWSGIScriptAlias /not @APPS@/app.wsgi\n</IfModule>\n\
                 <IfModule {symbol}>\nWSGIScriptAlias /symbol @APPS@/app.wsgi\n</IfModule>"
            ))
            .start();
        assert_eq!(server.text("/file"), "served", "{symbol}");
        assert_eq!(server.text("/symbol"), "served", "{symbol}");
        assert_eq!(server.get("/not").status, 404, "{symbol}");
        server.graceful();
        wait_until("it serves again", || server.text("/file") == "served");
        server.finish();
    }
}

#[test]
fn log_levels_may_be_set_for_it_under_either_name() {
    for symbol in ["wsgi_module", "rsgi_module"] {
        if symbol == "rsgi_module" {
            only_rsgi!("it has one name");
        }
        let name = symbol.trim_end_matches("_module");
        let server = Server::builder()
            .module_symbol(Some(symbol))
            .log_level(&format!("warn {name}:debug mpm_event:notice"))
            .serve(APP)
            .start();
        assert_eq!(server.text("/"), "served");
        let is_ours = || server.log().iter().any(|line| line.module == name);
        wait_until("a line of its own below warn", is_ours);
        server.finish();
    }
}

#[test]
fn the_module_needs_no_python_and_is_never_unloaded() {
    only_rsgi!("it is linked with libpython");
    let file = module_path();
    let needed = run(Command::new("ldd").arg(&file));
    assert!(!needed.contains("python"), "{needed}");
    let dynamic = run(Command::new("readelf").arg("-d").arg(&file));
    assert!(!dynamic.contains("python"), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
    let symbols = run(Command::new("nm")
        .args(["-D", "--undefined-only"])
        .arg(&file));
    let of_python: Vec<&str> = symbols
        .lines()
        .filter(|line| line.contains(" Py"))
        .collect();
    assert!(of_python.is_empty(), "{of_python:?}");
}

#[test]
fn a_build_for_another_httpd_is_refused() {
    // Changes the version that both records of the file say they are made for.
    let bytes = std::fs::read(module_path()).unwrap();
    let major = 20_120_211_i32.to_le_bytes();
    let no_index = (-1_i32).to_le_bytes();
    let mut changed = bytes.clone();
    let mut records = 0;
    for at in 0..bytes.len() - 12 {
        if bytes[at..at + 4] == major && bytes[at + 8..at + 12] == no_index {
            changed[at..at + 4].copy_from_slice(&20_110_101_i32.to_le_bytes());
            records += 1;
        }
    }
    assert!(records >= 1, "no module record in the file");
    let builder = Server::builder().file("mod_other.so", &changed);
    let other = builder.root().join("mod_other.so");
    let check = builder
        .module_symbol(None)
        .python_home(None)
        .conf_before_module(&format!("LoadModule wsgi_module \"{}\"", other.display()))
        .check();
    check.refused_with(&["not compatible with this version of Apache", "20110101"]);
}

/// An Apache module that does nothing but hold a libpython, as mod_python or a wrongly linked module would.
const BRINGER: &str = r#"
#include "httpd.h"
#include "http_config.h"
#include <dlfcn.h>
static void hooks(apr_pool_t *pool)
{
    (void)pool;
    dlopen(LIBRARY, RTLD_NOW | RTLD_GLOBAL);
}
module AP_MODULE_DECLARE_DATA bringer_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, hooks
};
"#;

/// Compiles [`BRINGER`] for a library into a server root; gives the LoadModule line.
fn bringer(builder: &Builder, library: &Path) -> String {
    let ask = |name: &str| {
        run(Command::new("apxs").args(["-q", name]))
            .trim()
            .to_owned()
    };
    let source = builder.root().join("mod_bringer.c");
    std::fs::write(&source, BRINGER).unwrap();
    let object = builder.root().join("mod_bringer.so");
    run(Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&object)
        .arg(format!("-I{}", ask("INCLUDEDIR")))
        .arg(format!("-I{}", ask("APR_INCLUDEDIR")))
        .args(ask("EXTRA_CPPFLAGS").split_whitespace())
        .arg(format!("-DLIBRARY=\"{}\"", library.display()))
        .arg(&source)
        .arg("-ldl"));
    format!("LoadModule bringer_module \"{}\"", object.display())
}

#[test]
fn a_python_of_another_module_is_named_and_apache_goes_on_without_ours() {
    only_rsgi!("it is linked with the Python that it uses");
    let pythons = kit::pythons();
    needs!(pythons.len() > 1, "needs two versions of Python");
    let [ours, other] = [&pythons[0], &pythons[1]];
    let library = other
        .home
        .join(format!("lib/libpython3.{}.so.1.0", other.minor));
    for is_first in [true, false] {
        let builder = Server::builder();
        let line = bringer(&builder, &library);
        let builder = if is_first {
            builder.conf_before_module(&line)
        } else {
            builder.conf(&line)
        };
        let server = builder
            .python_home(Some(ours.home()).filter(|&home| home != "/usr"))
            .file("htdocs/a.txt", b"text")
            .app("app.wsgi", APP)
            .conf("WSGIScriptAlias /app @APPS@/app.wsgi")
            .start();
        for _ in 0..3 {
            assert_eq!(server.get("/app").status, 500);
            assert_eq!(server.text("/a.txt"), "text");
        }
        let line = server.expect_log("RSGI0028: ");
        for part in [
            "already holds another Python",
            "mod_bringer.so",
            &library.display().to_string(),
        ] {
            assert!(line.text.contains(part), "no {part:?} in {}", line.text);
        }
        assert_eq!(line.level, "crit");
        server.expect_log("RSGI0210: ");
        let log = server.log_text();
        assert_eq!(log.matches("RSGI0028").count(), 1, "once a process: {log}");
        server.finish();
    }
}

#[test]
fn a_missing_layer_is_named_and_apache_goes_on() {
    only_rsgi!("it has no second file");
    let builder = Server::builder();
    let copy = builder.root().join("mod_rsgi.so");
    std::fs::copy(module_path(), &copy).unwrap();
    let builder = builder
        .module_symbol(None)
        .conf_before_module(&format!("LoadModule rsgi_module \"{}\"", copy.display()))
        .file("htdocs/a.txt", b"text")
        .app("app.wsgi", APP)
        .conf("WSGIScriptAlias /app @APPS@/app.wsgi");
    if kit::is_free_threaded_run() {
        // An ordinary module has no layer for that Python: whoever names it is told before the start.
        let check = builder.check();
        return check.refused_with(&["RSGI0100: ", "rsgi_python.cp3", "which is not there"]);
    }
    let server = builder.start();
    assert_eq!(server.get("/app").status, 500);
    assert_eq!(server.text("/a.txt"), "text");
    let line = server.expect_log("RSGI0028: ");
    for part in [
        "rsgi_python.so",
        "is not there",
        "same folder as the module",
    ] {
        assert!(line.text.contains(part), "no {part:?} in {}", line.text);
    }
    server.expect_log("RSGI0210: ");
    server.finish();
}
