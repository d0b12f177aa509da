//! Options from files and the environment: which of them wins, and what is said of wrong ones.

use super::Launcher;
use super::launcher::text;
use crate::harness::only_rsgi;

/// The line of `--print-config` for an option, without the blanks in front of where it comes from.
fn line(output: &str, option: &str) -> String {
    let start = format!("{option} = ");
    let line = output.lines().find(|line| line.starts_with(&start));
    let words: Vec<_> = line.unwrap_or_default().split_whitespace().collect();
    words.join(" ")
}

/// What `--print-config` says for a launcher that is not yet told its port.
#[track_caller]
fn printed(launcher: &Launcher) -> String {
    let output = launcher
        .command("start-server")
        .arg("--print-config")
        .output();
    let output = output.expect("rsgi-express starts");
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

#[test]
fn the_command_line_wins_over_the_environment_over_the_file_over_the_project() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("etc/rsgi.toml", "threads = 2\nprocesses = 2\nqueue-timeout = 2\n")
        .file(
            "pyproject.toml",
            "[project]\nname = \"x\"\n[tool.rsgi]\nthreads = 1\nprocesses = 1\nqueue_timeout = 1\nmaximum-requests = 1\n",
        )
        .env("RSGI_THREADS", "3")
        .env("RSGI_PROCESSES", "3")
        .args(&["hello.py", "--config", "etc/rsgi.toml", "--threads", "4"]);
    let output = printed(&launcher);
    assert_eq!(line(&output, "threads"), "threads = 4 # command line");
    assert_eq!(
        line(&output, "processes"),
        "processes = 3 # `RSGI_PROCESSES`"
    );
    assert_eq!(
        line(&output, "queue-timeout"),
        "queue-timeout = 2 # `etc/rsgi.toml` line 3"
    );
    assert_eq!(
        line(&output, "maximum-requests"),
        "maximum-requests = 1 # `pyproject.toml` line 7"
    );
    assert_eq!(
        line(&output, "eviction-timeout"),
        "eviction-timeout = 0 # default"
    );
}

#[test]
fn what_print_config_says_can_be_read_again() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().args(&[
        "hello.py",
        "--url-alias",
        "/a \"b\"",
        "x\\y",
        "--python-path",
        "lib",
        "--access-log",
    ]);
    let first = printed(&launcher);
    let again = Launcher::new()
        .file("rsgi.toml", &first)
        .args(&["--config", "rsgi.toml"]);
    let output = again.command("setup-server").arg("--print-config").output();
    let second = text(&output.expect("rsgi-express starts"));
    for option in ["url-alias", "python-path", "access-log", "entry-point"] {
        let value = |text| line(text, option).split(" # ").next().map(str::to_owned);
        assert_eq!(value(&first), value(&second), "{first}\n{second}");
    }
}

#[test]
fn paths_in_a_file_are_seen_from_the_file() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("srv/app.py", super::launcher::HELLO)
        .file("srv/pages/x.txt", "a page")
        .file(
            "srv/rsgi.toml",
            "entry-point = \"app.py\"\nurl-alias = { \"/pages\" = \"pages\" }\n",
        )
        .args(&["--config", "srv/rsgi.toml"]);
    let run = launcher.start();
    assert_eq!(run.text("/pages/x.txt"), "a page");
    assert_eq!(run.text("/y"), "|/y|");
}

#[test]
fn names_in_a_file_of_another_folder_stay_names() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("srv/app.py", super::launcher::HELLO)
        .file("srv/tasks.py", "")
        .file("srv/public/start.html", "the start")
        .file(
            "srv/rsgi.toml",
            "entry-point = \"app.py\"\n\
             document-root = \"public\"\n\
             directory-index = \"start.html\"\n\
             service-script = { tasks = \"tasks.py\" }\n\
             service-log-file = { tasks = \"tasks_log\" }\n\
             shell-executable = \"sh\"\n\
             reload-on-changes = true\n\
             reload-ignore = [\"build\"]\n\
             error-log-name = \"errors\"\n",
        )
        .args(&["--config", "srv/rsgi.toml"]);
    launcher.setup();
    let written = std::fs::read_to_string(launcher.root().join("httpd.conf")).unwrap();
    for line in [
        "DirectoryIndex \"start.html\"",
        "root/errors\"",
        "root/tasks_log\"",
    ] {
        assert!(written.contains(line), "no {line} in {written}");
    }
    let output = printed(&launcher);
    let ignored = line(&output, "reload-ignore");
    assert!(
        ignored.starts_with("reload-ignore = [\"build\"]"),
        "{ignored}"
    );
}

#[test]
fn a_typed_script_wins_over_the_entry_point_of_a_file() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("rsgi.toml", "entry-point = \"other.py\"\n")
        .env("RSGI_CONFIG", "rsgi.toml")
        .arg("hello.py");
    let output = printed(&launcher);
    assert_eq!(
        line(&output, "entry-point"),
        "entry-point = \"hello.py\" # command line"
    );
}

#[test]
fn the_environment_switches_a_flag_of_a_file_off_again() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("rsgi.toml", "access-log = true\nembedded-mode = true\n")
        .env("RSGI_ACCESS_LOG", "off")
        .args(&["hello.py", "--config=rsgi.toml"]);
    let output = printed(&launcher);
    assert_eq!(
        line(&output, "access-log"),
        "access-log = false # `RSGI_ACCESS_LOG`"
    );
    assert_eq!(
        line(&output, "embedded-mode"),
        "embedded-mode = true # `rsgi.toml` line 2"
    );
}

#[test]
fn wrong_keys_and_values_are_refused_with_their_place_and_what_would_be_right() {
    only_rsgi!("the launcher is ours");
    let cases: [(&str, &[&str]); 9] = [
        (
            "\ntreads = 1",
            &["`rsgi.toml` line 2", "`treads`", "`threads`"],
        ),
        (
            "threads = \"many\"",
            &["line 1", "`threads = \"many\"` is a text", "a whole number"],
        ),
        ("threads = 0", &["`threads = 0`", "1..=20000"]),
        ("threads = [1]", &["is a list", "a whole number"]),
        ("log-level = \"loud\"", &["`loud`", "`notice`"]),
        ("access-log = 1", &["is a whole number", "true or false"]),
        ("url-alias = [\"/a\"]", &["`url-alias = [\"/a\"]`", "URL"]),
        ("threads = 1\nthreads = 2", &["not TOML", "duplicate key"]),
        (
            "host = \"a b\"",
            &["`a b`", "`--host` comes from `rsgi.toml` line 1"],
        ),
    ];
    for (content, parts) in cases {
        Launcher::new()
            .file("rsgi.toml", content)
            .args(&["hello.py", "--config", "rsgi.toml"])
            .refused(2, parts);
    }
    Launcher::new()
        .arg("hello.py")
        .env("RSGI_THREADS", "many")
        .refused(2, &["`RSGI_THREADS`", "`many`", "a whole number"]);
    Launcher::new()
        .args(&["hello.py", "--config", "gone.toml"])
        .refused(1, &["cannot read `gone.toml`"]);
}

#[test]
fn a_variable_that_names_no_option_is_told_of_and_the_port_of_hosting_services_counts() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().arg("hello.py");
    let output = std::process::Command::new(super::launcher::program())
        .args(["start-server", "hello.py", "--print-config"])
        .current_dir(launcher.directory())
        .env("RSGI_THRADS", "3")
        .env("PORT", "8099")
        .output()
        .expect("rsgi-express starts");
    let output = text(&output);
    assert!(output.contains("`RSGI_THRADS`"), "{output}");
    assert!(output.contains("`RSGI_THREADS`"), "{output}");
    assert_eq!(line(&output, "port"), "port = 8099 # `PORT`");
}

/// Release builds of clap do not know which options a command has; `ci/e2e --release` shows that this needs none.
#[test]
fn a_command_that_serves_nothing_asks_neither_the_project_nor_the_environment() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new().file("pyproject.toml", "[tool.rsgi]\nthreads = 9\n");
    for command in [&["module-location"][..], &["completions", "bash"]] {
        let output = std::process::Command::new(super::launcher::program())
            .args(command)
            .current_dir(launcher.directory())
            .env("RSGI_THREADS", "3")
            .env("PORT", "8099")
            .output()
            .expect("rsgi-express starts");
        assert!(output.status.success(), "{}", text(&output));
        assert!(output.stderr.is_empty(), "{}", text(&output));
    }
}

#[test]
fn root_does_not_do_what_somebody_elses_project_says() {
    only_rsgi!("the launcher is ours");
    let launcher = Launcher::new()
        .file("pyproject.toml", "[tool.rsgi]\nthreads = 9\n")
        .arg("hello.py");
    let project = launcher.path("pyproject.toml");
    if std::os::unix::fs::chown(&project, Some(1), Some(1)).is_err() {
        return;
    }
    let output = printed(&launcher);
    assert!(output.contains("`pyproject.toml` is not read"), "{output}");
    assert_eq!(line(&output, "threads"), "threads = 5 # default");
}
