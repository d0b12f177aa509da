//! Opening libpython and a layer for real: each case in a process of its own, since nothing is ever closed.
//!
//! The layers are a few lines of C, compiled here; a case says so and does nothing where a compiler or a second
//! Python is missing. The file is long because the program runs itself: all cases and their layers are in it.

#![expect(clippy::unwrap_used, reason = "a test program: a panic is a failure")]

use std::ffi::CString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rsgi_bridge::abi;
use rsgi_bridge::facts::TargetFacts;
use rsgi_bridge::layer::{LAYER_FILE, Layer, OpenError, layer_path, module_directory};
use rsgi_bridge::locate::{Found, locate};
use rsgi_bridge::start::{ProcessLog, StartOptions};

/// Set in the process that runs one case alone.
const ALONE: &str = "RSGI_TEST_ALONE";

/// Runs `body` in a process of its own, which is this program called for the test named `name` only.
#[track_caller]
fn alone(name: &str, body: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(ALONE, name)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    if let Some(line) = text.lines().find(|line| line.starts_with("skipped: ")) {
        let _ = writeln!(std::io::stderr(), "{name}: {line}");
    }
    assert!(
        output.status.success(),
        "{}\n{}{text}",
        output.status,
        String::from_utf8_lossy(&output.stdout)
    );
}

fn skip(reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// A layer in C, varied by macros.
const LAYER: &str = r#"
#include <stdint.h>
#include <stddef.h>
#include <string.h>
typedef struct { const uint8_t *ptr; size_t len; } bytes;
typedef struct { size_t size; void (*log)(uint32_t, bytes); int (*log_enabled)(uint32_t); } process;
typedef struct { size_t len; uint8_t text[1016]; } error_text;
static int start(const void *options, const process *p, error_text *error) {
    (void)options;
    bytes line = { (const uint8_t *)"started", 7 };
    if (p->log_enabled(3)) p->log(3, line);
    memcpy(error->text, "no reason", 9);
    error->len = ERROR_LENGTH;
    return ERROR_LENGTH ? -1 : 0;
}
static int handle(const void *r, const void *h, void *c) { (void)r; (void)h; (void)c; return 0; }
static int load(const void *t) { (void)t; return -1; }
static void stop(uint32_t patience) { (void)patience; }
static int fault(int kind) { return kind - 3; }
static const struct {
    uint32_t abi; size_t size;
    int (*start)(const void *, const process *, error_text *);
    int (*handle)(const void *, const void *, void *);
    int (*load)(const void *); void (*stop)(uint32_t); int (*fault)(int);
    void *later[64];
} table = { TABLE_ABI, TABLE_SIZE, start, handle, load, stop, fault };
const void *ENTRY(uint32_t host) { return host == ACCEPTED ? &table : NULL; }
"#;

/// What is different about a compiled layer.
struct Variant {
    abi: u32,
    accepted: u32,
    size: usize,
    entry: &'static str,
    error_length: usize,
    extra: &'static str,
}

const GOOD: Variant = Variant {
    abi: abi::ABI,
    accepted: abi::ABI,
    size: size_of::<abi::Layer>(),
    entry: "rsgi_python_layer",
    error_length: 0,
    extra: "",
};

/// A folder with compiled objects.
struct Objects(tempfile::TempDir);

impl Objects {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Compiles a shared object; none where there is no compiler.
    fn compile(&self, name: &str, source: &str, arguments: &[String]) -> Option<PathBuf> {
        let input = self.0.path().join("source.c");
        let output = self.0.path().join(name);
        std::fs::write(&input, source).unwrap();
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&output, &input])
            .args(arguments)
            .status();
        match status {
            Ok(status) => {
                assert!(status.success());
                Some(output)
            }
            Err(error) => {
                skip(&format!("no C compiler: {error}"));
                None
            }
        }
    }

    fn layer(&self, variant: &Variant) -> Option<PathBuf> {
        let arguments = [
            format!("-DTABLE_ABI={}", variant.abi),
            format!("-DACCEPTED={}", variant.accepted),
            format!("-DTABLE_SIZE={}", variant.size),
            format!("-DENTRY={}", variant.entry),
            format!("-DERROR_LENGTH={}", variant.error_length),
        ];
        let source = format!("{LAYER}{}", variant.extra);
        self.compile(LAYER_FILE, &source, &arguments)
    }
}

/// The system's Python, if it is a usable one.
fn system() -> Option<Found> {
    match locate(None) {
        Ok(found) => Some(found),
        Err(error) => {
            skip(&format!("no system Python: {error}"));
            None
        }
    }
}

/// Another Python of this machine than the system's: one of pyenv's.
fn another(than: &Found) -> Option<Found> {
    let versions = PathBuf::from(std::env::var_os("HOME")?).join(".pyenv/versions");
    let found = std::fs::read_dir(versions)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| locate(Some(&entry.path())).ok())
        .find(|found| found.minor != than.minor);
    if found.is_none() {
        skip("no second Python");
    }
    found
}

/// Opens a library as an Apache module would bring it.
fn bring(path: &Path, flags: i32) {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a C string; the libraries opened here have no constructors that matter.
    let handle = unsafe { libc::dlopen(path.as_ptr(), flags) };
    assert!(!handle.is_null());
}

#[track_caller]
fn refusal(found: &Found, layer: &Path) -> String {
    Layer::open(found, layer).unwrap_err().to_string()
}

struct Log;

static LOGGED: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());

impl ProcessLog for Log {
    fn log(level: u32, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        LOGGED.lock().unwrap().push(format!("{level} {text}"));
    }

    fn enabled(level: u32) -> bool {
        level <= abi::level::ERROR
    }
}

#[test]
fn a_layer_is_opened_and_called() {
    alone("a_layer_is_opened_and_called", || {
        let (objects, Some(found)) = (Objects::new(), system()) else {
            return;
        };
        let Some(path) = objects.layer(&GOOD) else {
            return;
        };
        let layer = Layer::open(&found, &path).unwrap();
        layer.start::<Log>(&StartOptions::default()).unwrap();
        assert_eq!(*LOGGED.lock().unwrap(), ["3 started"]);
        assert!(!layer.load(&TargetFacts::default()));
        assert_eq!(layer.fault(0), abi::HANDLED_PANIC);
        layer.stop(Duration::from_secs(1));
        // The same Python again is no other Python; the folder of the layer will do as well.
        Layer::open(&found, path.parent().unwrap()).unwrap();
    });
}

#[test]
fn the_layers_reason_for_not_starting_is_handed_on() {
    alone("the_layers_reason_for_not_starting_is_handed_on", || {
        let (objects, Some(found)) = (Objects::new(), system()) else {
            return;
        };
        // More bytes than there are is taken for all of them.
        for (error_length, expected) in [(9, 9), (5000, 1016)] {
            let variant = Variant {
                error_length,
                ..GOOD
            };
            let objects_of_its_own = Objects::new();
            let Some(path) = objects_of_its_own.layer(&variant) else {
                return;
            };
            let layer = Layer::open(&found, &path).unwrap();
            let reason = layer.start::<Log>(&StartOptions::default()).unwrap_err();
            assert!(reason.starts_with("no reason"));
            assert_eq!(reason.len(), expected);
        }
        drop(objects);
    });
}

#[test]
fn layers_of_another_build_are_refused() {
    alone("layers_of_another_build_are_refused", || {
        let Some(found) = system() else {
            return;
        };
        for (variant, expected) in [
            (
                Variant {
                    accepted: 999,
                    ..GOOD
                },
                "does not speak ABI 1: ",
            ),
            (Variant { abi: 2, ..GOOD }, "speaks ABI 2, not 1: "),
            (Variant { size: 16, ..GOOD }, "is older than the module: "),
            (
                Variant {
                    entry: "another",
                    ..GOOD
                },
                "is not one, it has no entry: ",
            ),
        ] {
            let objects = Objects::new();
            let Some(path) = objects.layer(&variant) else {
                return;
            };
            let sentence = refusal(&found, &path);
            assert!(sentence.contains(expected), "{sentence}");
            assert!(sentence.ends_with("from the same build as the module"));
        }
    });
}

#[test]
fn a_layer_with_an_undefined_symbol_is_refused_by_that_symbols_name() {
    alone(
        "a_layer_with_an_undefined_symbol_is_refused_by_that_symbols_name",
        || {
            let (objects, Some(found)) = (Objects::new(), system()) else {
                return;
            };
            let variant = Variant {
                extra: "extern int PyNoSuch_Thing(void); int use(void) { return PyNoSuch_Thing(); }",
                ..GOOD
            };
            let Some(path) = objects.layer(&variant) else {
                return;
            };
            let sentence = refusal(&found, &path);
            assert!(sentence.contains("PyNoSuch_Thing"), "{sentence}");
        },
    );
}

#[test]
fn a_missing_layer_is_refused_by_its_path() {
    alone("a_missing_layer_is_refused_by_its_path", || {
        let Some(found) = system() else {
            return;
        };
        let sentence = refusal(&found, Path::new("/no/such/rsgi_python.so"));
        assert_eq!(
            sentence,
            "the Python layer `/no/such/rsgi_python.so` is not there: install rsgi_python.so in the same folder as the module"
        );
    });
}

#[test]
fn another_version_than_expected_is_refused() {
    alone("another_version_than_expected_is_refused", || {
        let Some(found) = system() else {
            return;
        };
        let layer = Path::new("/no/such/layer");
        let of_minor = Found {
            minor: found.minor + 1,
            version: None,
            ..found.clone()
        };
        let sentence = refusal(&of_minor, layer);
        assert!(
            sentence.contains(&format!("needs 3.{}: ", found.minor + 1)),
            "{sentence}"
        );
        let of_micro = Found {
            version: Some(format!("3.{}.99", found.minor)),
            ..found.clone()
        };
        let sentence = refusal(&of_micro, layer);
        assert!(
            sentence.contains(&format!("needs 3.{}.99: ", found.minor)),
            "{sentence}"
        );
    });
}

#[test]
fn free_threaded_builds_and_what_is_no_python_are_refused() {
    alone(
        "free_threaded_builds_and_what_is_no_python_are_refused",
        || {
            let (objects, Some(found)) = (Objects::new(), system()) else {
                return;
            };
            let source = r#"const char *Py_GetVersion(void) { return "3.14.0 free-threading build (main, x)"; }"#;
            let (Some(threaded), Some(nothing)) = (
                objects.compile("libpython3.14t.so.1.0", source, &[]),
                objects.compile("libnothing.so", "int nothing;", &[]),
            ) else {
                return;
            };
            let with = |library: PathBuf| Found {
                library,
                ..found.clone()
            };
            let layer = Path::new("/no/such/layer");
            // What is no Python first: the other stays in the process.
            assert!(refusal(&with(nothing), layer).contains("has no Py_GetVersion"));
            assert!(refusal(&with(threaded), layer).contains("is a free-threaded Python"));
            let missing = with(PathBuf::from("/no/such/libpython3.11.so.1.0"));
            assert!(matches!(
                Layer::open(&missing, layer),
                Err(OpenError::OtherPython { .. } | OpenError::Library { .. })
            ));
        },
    );
}

#[test]
fn a_python_that_an_apache_module_brought_is_refused_with_the_modules_name() {
    alone(
        "a_python_that_an_apache_module_brought_is_refused_with_the_modules_name",
        || {
            let (objects, Some(found)) = (Objects::new(), system()) else {
                return;
            };
            let Some(other) = another(&found) else {
                return;
            };
            let link = [
                "-Wl,--no-as-needed".to_owned(),
                other.library.display().to_string(),
                format!("-Wl,-rpath,{}", other.library.parent().unwrap().display()),
            ];
            let Some(module) = objects.compile("mod_other.so", "int module;", &link) else {
                return;
            };
            bring(&module, libc::RTLD_NOW | libc::RTLD_LOCAL);
            let sentence = refusal(&found, Path::new("/no/such/layer"));
            let expected = format!(
                "this process already holds another Python, `{}` (brought by mod_other.so), and cannot open `{}` beside it: ",
                other.library.display(),
                found.library.display()
            );
            assert!(sentence.starts_with(&expected), "{sentence}");
        },
    );
}

#[test]
fn a_module_with_a_python_inside_is_refused() {
    alone("a_module_with_a_python_inside_is_refused", || {
        let (objects, Some(found)) = (Objects::new(), system()) else {
            return;
        };
        let source = "const char *Py_GetVersion(void) { return 0; }";
        let Some(module) = objects.compile("mod_static.so", source, &[]) else {
            return;
        };
        bring(&module, libc::RTLD_NOW | libc::RTLD_GLOBAL);
        let sentence = refusal(&found, Path::new("/no/such/layer"));
        assert!(
            sentence.contains("mod_static.so`, and cannot open"),
            "{sentence}"
        );
    });
}

#[test]
fn a_python_that_somebody_started_is_refused() {
    alone("a_python_that_somebody_started_is_refused", || {
        let Some(found) = system() else {
            return;
        };
        bring(&found.library, libc::RTLD_NOW | libc::RTLD_GLOBAL);
        // SAFETY: a lookup by a C string.
        let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"Py_InitializeEx".as_ptr()) };
        assert!(!address.is_null());
        // SAFETY: Python documents `void Py_InitializeEx(int)`.
        let start = unsafe {
            core::mem::transmute::<*mut core::ffi::c_void, unsafe extern "C" fn(i32)>(address)
        };
        // SAFETY: called once, on this process's only user of Python.
        unsafe { start(0) };
        let sentence = refusal(&found, Path::new("/no/such/layer"));
        assert!(sentence.contains("already runs Python"), "{sentence}");
    });
}

#[test]
fn the_programs_own_folder_is_where_the_layer_is_looked_for() {
    let program = std::env::current_exe().unwrap();
    assert_eq!(module_directory().as_deref(), program.parent());
    if let Some(path) = system().and_then(|found| layer_path(&found)) {
        assert_eq!(path.parent(), program.parent());
    }
}
