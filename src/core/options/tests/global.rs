//! Settings of the whole of httpd.

use super::*;

#[test]
fn global_settings_replace_each_other_but_warnings_add_up() {
    let mut options = GlobalOptions::default();
    let defaults = GlobalOptions::default();
    assert!(defaults.restrict_signal && defaults.destroy_interpreter);
    assert_eq!(defaults.hash_seed, HashSeed::Random);
    let text = |text: &str| Arc::<[u8]>::from(text.as_bytes());
    for setting in [
        GlobalSetting::PythonHome(text("/a")),
        GlobalSetting::PythonHome(text("/b")),
        GlobalSetting::PythonPath(vec![text("/x")]),
        GlobalSetting::PythonPath(vec![text("/y"), text("/z")]),
        GlobalSetting::PythonOptimize(2),
        GlobalSetting::PythonHashSeed(HashSeed::Fixed(7)),
        GlobalSetting::PythonWarnings(text("error")),
        GlobalSetting::PythonWarnings(text("ignore::DeprecationWarning")),
        GlobalSetting::DontWriteBytecode(true),
        GlobalSetting::RestrictStdin(true),
        GlobalSetting::RestrictStdout(true),
        GlobalSetting::RestrictSignal(false),
        GlobalSetting::CaseSensitivity(false),
        GlobalSetting::DestroyInterpreter(false),
        GlobalSetting::RestrictEmbedded(true),
        GlobalSetting::RestrictEmbedded(false),
        GlobalSetting::SocketPrefix(text("run/wsgi")),
        GlobalSetting::SocketRotation(false),
        GlobalSetting::AcceptMutex(AcceptMutex::Flock),
        GlobalSetting::Overlap(false),
        GlobalSetting::PythonEggs(text("/a")),
        GlobalSetting::PythonEggs(text("/eggs")),
        GlobalSetting::SwitchInterval(5),
        GlobalSetting::VerboseDebugging(true),
        GlobalSetting::ServerMetrics(true),
    ] {
        options.apply(setting);
    }
    let expected = GlobalOptions {
        python_home: Some(text("/b")),
        python_path: vec![text("/y"), text("/z")],
        optimize: 2,
        hash_seed: HashSeed::Fixed(7),
        warnings: vec![text("error"), text("ignore::DeprecationWarning")],
        dont_write_bytecode: true,
        restrict_stdin: true,
        restrict_stdout: true,
        restrict_signal: false,
        case_sensitivity: Case::Insensitive,
        destroy_interpreter: false,
        restrict_embedded: Some(false),
        socket_prefix: Some(text("run/wsgi")),
        socket_rotation: false,
        accept_mutex: AcceptMutex::Flock,
        overlap: false,
        python_eggs: Some(text("/eggs")),
        switch_interval: Some(5),
        verbose_debugging: Some(true),
        server_metrics: true,
        ..GlobalOptions::default()
    };
    assert_eq!(options, expected);
    options.apply(GlobalSetting::CaseSensitivity(true));
    assert_eq!(options.case_sensitivity, Case::Sensitive);
}

#[test]
fn gils_are_as_ever_unless_they_are_spoken_of() {
    let mut options = GlobalOptions::default();
    assert!(!options.per_interpreter_gil && !options.free_threading);
    options.apply(GlobalSetting::PerInterpreterGil(true));
    options.apply(GlobalSetting::FreeThreading(true));
    assert!(options.per_interpreter_gil && options.free_threading);
}

#[test]
fn the_last_word_about_telemetry_counts() {
    let mut options = GlobalOptions::default();
    for setting in [
        GlobalSetting::TelemetryService {
            socket: b"/a"[..].into(),
            interval: 5,
        },
        GlobalSetting::TelemetryService {
            socket: b"/b"[..].into(),
            interval: 6,
        },
        GlobalSetting::SlowRequests(7),
        GlobalSetting::SlowRequests(8),
        GlobalSetting::CaptureUserAgent(true),
    ] {
        options.apply(setting);
    }
    assert_eq!(options.telemetry, Some((b"/b"[..].into(), 6)));
    assert_eq!(options.slow_requests, 8);
    assert!(options.capture_user_agent);
}
