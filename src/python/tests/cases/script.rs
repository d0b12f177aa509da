//! Loading and reloading scripts.

use std::path::Path;

use rsgi_bridge::abi;
use rsgi_bridge::facts::TargetFacts;
use rsgi_core::script::module_name;

use crate::host::{Bench, Call};

pub(crate) fn run(home: &Path) {
    let bench = Bench::start(home, 0, &[]);
    for group in ["", "other"] {
        modules(&bench, group);
        reloads(&bench, group);
        asks_the_script(&bench, group);
        broken(&bench, group);
        odd_files(&bench, group);
        ahead(&bench, group);
    }
    bench.layer.stop(std::time::Duration::from_secs(5));
}

const APPLICATION: &str = "
def application(environ, start_response):
    start_response('200 OK', [])
    return [repr(VALUE).encode()]
";

fn modules(bench: &Bench, group: &str) {
    let source = format!(
        "# -*- coding: latin-1 -*-\nimport sys\nM = sys.modules[__name__]\nVALUE = (__name__, __file__, type(__mtime__).__name__, M.__dict__ is globals(), __name__.startswith('_mod_wsgi_'))\n{APPLICATION}"
    );
    let script = bench.script("module.any-extension", &source);
    let reply = Call::new(&script, "application").group(group).run(bench);
    let path = String::from_utf8_lossy(&script);
    let name = module_name(&script, false);
    reply.assert_body(&format!("('{name}', '{path}', 'int', True, True)"));
    let folder = Path::new(path.as_ref()).parent().unwrap();
    let has_cache = folder.join("__pycache__").exists();
    assert!(!has_cache, "no bytecode is written for scripts");
}

fn reloads(bench: &Bench, group: &str) {
    let name = format!("reload{group}.wsgi");
    let counted = |value: u32| format!("VALUE = {value}\n{APPLICATION}");
    let script = bench.script(&name, &counted(1));
    let call = |mtime| {
        Call::new(&script, "application")
            .group(group)
            .mtime(Some(mtime))
            .run(bench)
    };
    let mtime = modification(&bench.path(&name));
    call(mtime).assert_body("1");
    bench.script(&name, &counted(2));
    let unchanged = filetime(&bench.path(&name), mtime);
    call(unchanged).assert_body("1");
    let newer = filetime(&bench.path(&name), mtime + 5_000_000);
    call(newer).assert_body("2");
    bench.script(&name, &counted(3));
    let older = filetime(&bench.path(&name), mtime - 5_000_000);
    call(older).assert_body("3");
    bench.script(&name, &counted(4));
    filetime(&bench.path(&name), mtime + 9_000_000);
    let reply = Call::new(&script, "application").group(group).run(bench);
    reply.assert_body("3");
    // Where the host does not know, the layer looks itself.
    let reply = Call::new(&script, "application")
        .group(group)
        .mtime(None)
        .run(bench);
    reply.assert_body("4");
}

fn asks_the_script(bench: &Bench, group: &str) {
    let name = format!("asked{group}.wsgi");
    let source = format!(
        "import builtins\nVALUE = builtins.loads = getattr(builtins, 'loads', 0) + 1\nasked = []\n\
         def reload_required(path):\n    asked.append(path)\n    if VALUE == 2: raise ValueError('in reload_required')\n    return VALUE == 1 and len(asked) == 2\n{APPLICATION}"
    );
    let script = bench.script(&name, &source);
    let mtime = modification(&bench.path(&name));
    let call = || {
        Call::new(&script, "application")
            .group(group)
            .mtime(Some(mtime))
            .run(bench)
    };
    for expected in ["1", "1", "2"] {
        call().assert_body(expected);
    }
    let reply = call();
    reply.assert_body("2");
    assert!(reply.log.has("in reload_required"), "{reply:?}");
}

fn broken(bench: &Bench, group: &str) {
    for (name, source, told) in [
        ("syntax", "def f(:\n  pass\n", "SyntaxError"),
        (
            "raises",
            "raise KeyError('while loading')\n",
            "while loading",
        ),
        ("exits", "raise SystemExit(3)\n", "SystemExit"),
        ("nul", "VALUE = 1\n\0\n", "null"),
        ("coding", "# coding: no-such-code\n", "coding"),
        ("utf8", "VALUE = '\u{0}'", "null"),
    ] {
        let name = format!("{name}{group}.wsgi");
        let script = bench.script(&name, source);
        let reply = Call::new(&script, "application").group(group).run(bench);
        reply.assert_status(500);
        let is_told = reply
            .log
            .0
            .iter()
            .any(|(_, line)| line.to_lowercase().contains(&told.to_lowercase()));
        assert!(is_told, "{name}: {reply:?}");
        assert!(reply.log.has("RSGI01"), "{name}: {reply:?}");
        bench.script(&name, &format!("VALUE = 'mended'\n{APPLICATION}"));
        let reply = Call::new(&script, "application").group(group).run(bench);
        reply.assert_body("'mended'");
    }
    let reply = Call::new(b"/nonexistent/script.wsgi", "application")
        .group(group)
        .run(bench);
    reply.assert_status(500);
    assert!(reply.log.has("/nonexistent/script.wsgi"), "{reply:?}");
}

fn odd_files(bench: &Bench, group: &str) {
    for name in [
        "caf\u{e9}.wsgi",
        "with space.wsgi",
        "empty-ends.wsgi",
        "quo'te\".wsgi",
    ] {
        let script = bench.script(
            name,
            &format!("VALUE = __file__.rsplit('/', 1)[1]\r\n{APPLICATION}"),
        );
        let reply = Call::new(&script, "application").group(group).run(bench);
        assert_eq!(reply.head().status, 200, "{name}: {reply:?}");
    }
    use std::os::unix::ffi::OsStrExt;
    let mut path = bench.path("").as_os_str().as_bytes().to_vec();
    path.extend_from_slice(b"bytes-\xff\xfe.wsgi");
    let source = format!("import os\nVALUE = os.path.exists(__file__)\n{APPLICATION}");
    std::fs::write(std::ffi::OsStr::from_bytes(&path), source).unwrap();
    Call::new(&path, "application")
        .group(group)
        .run(bench)
        .assert_body("True");
}

fn ahead(bench: &Bench, group: &str) {
    let source = format!("import time\nprint('loading now')\nVALUE = 'ahead'\n{APPLICATION}");
    let script = bench.script(&format!("ahead{group}.wsgi"), &source);
    bench.take_log();
    let target = TargetFacts {
        application_group: group.as_bytes(),
        script: &script,
        ..TargetFacts::default()
    };
    assert!(bench.layer.load(&target));
    assert_eq!(bench.take_log().count("loading now"), 1);
    let reply = Call::new(&script, "application").group(group).run(bench);
    reply.assert_body("'ahead'");
    assert!(!reply.log.has("loading now"), "it was loaded already");
    let broken = bench.script("ahead-broken.wsgi", "raise ValueError('ahead')");
    let target = TargetFacts {
        script: &broken,
        flags: abi::TARGET_RELOADING,
        ..target
    };
    assert!(!bench.layer.load(&target));
    assert!(bench.take_log().has("ValueError: ahead"));
}

/// Microseconds since the epoch.
fn modification(path: &Path) -> i64 {
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

/// Sets a modification time and gives it back.
fn filetime(path: &Path, micros: i64) -> i64 {
    let since = std::time::Duration::from_micros(u64::try_from(micros).unwrap());
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + since).unwrap();
    micros
}
