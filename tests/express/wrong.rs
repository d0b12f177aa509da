//! Values that an option cannot have, and options that need others.

use super::Launcher;
use super::launcher::text;
use super::trees::with_certificate;
use crate::harness::only_rsgi;
use crate::kit;

/// Arguments behind `hello.py`, and parts of what is said about them.
const WRONG: &[(&str, &str)] = &[
    // Application and Python
    ("--application-type perl", "'perl'"),
    ("--entry-point gone.py", "from the current folder"),
    ("--callable-object a.b", "`--callable-object`: `a.b`"),
    ("--mount-point /a?b", "`--mount-point`: `/a?b`"),
    ("--setenv A=B x", "`--setenv`: `A=B` is not the name"),
    ("--setenv A", "2 values required"),
    ("--passenv A=B", "`--passenv`: `A=B`"),
    ("--map-head-to-get maybe", "'maybe'"),
    ("--switch-interval 0", "`0` is no interval"),
    ("--switch-interval 0", "more than 0 seconds"),
    ("--switch-interval never", "`never` is not a number"),
    ("--free-threading", "`--free-threading`: the Python "),
    ("--locale de/DE", "`--locale`: `de/DE`"),
    ("--lang a;b", "`--locale`: `a;b`"),
    ("--working-directory gone", "correct the name, or make it"),
    ("--python-path a:b", "has a colon"),
    ("--python gone", "`--python`: "),
    ("--python-eggs hello.py", "`--python-eggs`: `"),
    ("--python-eggs gone/deep", "gone/deep"),
    ("--python-warnings often", "`--python-warnings`: `often`"),
    ("--reload-watch x", "need `--reload-on-changes`"),
    ("--reload-ignore x", "need `--reload-on-changes`"),
    // Listening
    ("--port 0", "'0'"),
    ("--port 65536", "'65536'"),
    ("--host a/b", "`--host`: `a/b`"),
    ("--server-backlog 0", "'0'"),
    ("--server-name a/b", "`--server-name`: `a/b`"),
    ("--server-alias x", "need `--server-name`"),
    ("--allow-localhost", "need `--server-name`"),
    ("--server-name x --server-alias a/b", "`--server-alias`: "),
    ("--http2 --server-mpm prefork", "`--http2` needs threads"),
    // TLS
    (
        "--https-port 8443",
        "`--https-port` needs `--ssl-certificate`",
    ),
    ("--ssl-port 0", "'0'"),
    (
        "--https-port 8443 --ssl-certificate gone",
        "there is no file",
    ),
    (
        "--ssl-certificate site",
        "`--ssl-certificate` needs `--https-port`",
    ),
    (
        "--ssl-certificate-file x",
        "`--ssl-certificate-file` needs `--https-port`",
    ),
    ("--ssl-certificate-key-file x", "needs `--https-port`"),
    ("--ssl-certificate-chain-file x", "needs `--https-port`"),
    ("--ssl-ca-certificate-file x", "needs `--https-port`"),
    ("--ssl-verify-client /x", "needs `--https-port`"),
    (
        "--ssl-environment",
        "`--ssl-environment` needs `--https-port`",
    ),
    ("--https-only", "`--https-only` needs `--https-port`"),
    ("--hsts-policy x", "`--hsts-policy` needs `--https-port`"),
    ("TLS --https-only", "`--https-only` needs `--server-name`"),
    (
        "--https-port 8443 --ssl-certificate-file a --ssl-certificate-key-file b\tc",
        "`--ssl-certificate-key-file`: `",
    ),
    (
        "TLS --hsts-policy x",
        "`--hsts-policy` needs `--https-only`",
    ),
    ("TLS --ssl-verify-client /x", "`--ssl-verify-client` needs"),
    ("TLS --ssl-certificate-chain-file gone", "there is no file"),
    ("TLS --ssl-ca-certificate-file gone", "there is no file"),
    // Clients
    ("--keep-alive-timeout -1", "-1 is not in 0.."),
    ("--threads -1", "-1 is not in 1.."),
    (
        "--threads five",
        "`--threads <NUMBER>`: `five` is not a whole number",
    ),
    ("--threads 99999999999999999999", "is too large"),
    ("--header-timeout x", "`x` is not a"),
    ("--header-max-timeout x", "`x` is not a"),
    ("--header-min-rate x", "`x` is not a"),
    ("--body-timeout x", "`x` is not a"),
    ("--body-max-timeout x", "`x` is not a"),
    ("--body-min-rate x", "`x` is not a"),
    ("--limit-request-body 1k", "`1k` is not a"),
    // Processes
    ("--processes 0", "'0'"),
    ("--threads 0", "'0'"),
    ("--process-group %{X}", "`--process-group`: `%{X}`"),
    ("--application-group=", "`--application-group` has no name"),
    ("--max-clients 0", "'0'"),
    ("--initial-workers 1.5", "from 0 to 1"),
    ("--minimum-spare-workers x", "from 0 to 1"),
    ("--maximum-spare-workers=-0.1", "from 0 to 1"),
    ("--server-mpm threads", "`--server-mpm`: `threads`"),
    ("--daemon-backlog 0", "'0'"),
    ("--maximum-requests x", "`x` is not a"),
    ("--startup-timeout x", "`x` is not a"),
    ("--shutdown-timeout x", "`x` is not a"),
    ("--restart-interval x", "`x` is not a"),
    ("--cpu-time-limit x", "`x` is not a"),
    ("--graceful-timeout x", "`x` is not a"),
    ("--eviction-timeout x", "`x` is not a"),
    ("--deadlock-timeout x", "`x` is not a"),
    ("--inactivity-timeout x", "`x` is not a"),
    ("--request-timeout 1.5", "`1.5` is not a"),
    ("--interrupt-timeout x", "`x` is not a"),
    ("--connect-timeout x", "`x` is not a"),
    ("--queue-timeout x", "`x` is not a"),
    ("--socket-timeout 0", "'0'"),
    ("--response-socket-timeout x", "`x` is not a"),
    ("--response-flush-delay x", "`x` is not a"),
    ("--ignore-activity /a?b", "`--ignore-activity`: `/a?b`"),
    ("--send-buffer-size 1", "`--send-buffer-size`: `1` is too"),
    ("--receive-buffer-size 1", "`--receive-buffer-size`: `1`"),
    ("--header-buffer-size 1", "`--header-buffer-size`: `1` is"),
    ("--response-buffer-size 1", "`--response-buffer-size`: `1`"),
    (
        "--response-buffer-size 2147483648",
        "`--response-buffer-size`: `2147483648` is too large",
    ),
    (
        "--request-timeout 2147483648",
        "`--request-timeout`: `2147483648` is too large",
    ),
    // Files
    ("--document-root gone", "`--document-root`"),
    (
        "--document-root . --document-root gone",
        "`--document-root`",
    ),
    ("--allow-override Some", "`--allow-override`: `Some`"),
    ("--url-alias /x", "2 values required"),
    ("--url-alias /a?b x", "`--url-alias`: `/a?b`"),
    ("--error-document 200 /x", "`--error-document`: `200`"),
    ("--error-document x /x", "`--error-document`: `x`"),
    ("--add-handler a/b hello.py", "`--add-handler`: `a/b`"),
    ("--add-handler .md gone.py", "`--add-handler`"),
    (
        "--rewrite-rules gone",
        "`--rewrite-rules`: there is no file",
    ),
    ("--include-file gone", "`--include-file`: there is no file"),
    ("--mime-types gone", "`--mime-types`: there is no file"),
    (
        "--directory-index a\tb",
        "`--directory-index`: `a\\tb` has a control",
    ),
    ("--maintenance-file .", "`--maintenance-file`: "),
    // Proxy
    (
        "--proxy-mount-point /x ftp://y/",
        "`--proxy-mount-point`: `ftp://y/`",
    ),
    (
        "--proxy-mount-point /a?b http://y/",
        "`--proxy-mount-point`: `/a?b`",
    ),
    (
        "--proxy-virtual-host a/b http://y/",
        "`--proxy-virtual-host`: `a/b`",
    ),
    (
        "--proxy-virtual-host x http:///",
        "`--proxy-virtual-host`: `http:///`",
    ),
    ("--proxy-timeout 5", "`--proxy-timeout` needs"),
    (
        "--proxy-url-alias x ftp://y/",
        "`--proxy-mount-point`: `ftp://y/`",
    ),
    // Logs
    ("--log-level loud", "'loud'"),
    (
        "--log-directory gone",
        "`--log-directory`: there is no directory",
    ),
    ("--access-log-name a/b", "`--access-log-name`: `a/b`"),
    ("--error-log-name a/b", "`--error-log-name`: `a/b`"),
    ("--startup-log-name ..", "`--startup-log-name`: `..`"),
    ("--max-log-size 0", "'0'"),
    (
        "--rotate-logs --rotatelogs-executable gone",
        "there is no program `gone`",
    ),
    (
        "--access-log --access-log-format %Q",
        "Unrecognized LogFormat directive %Q",
    ),
    ("--error-log-format %Q", "error log format directive %Q"),
    // Services
    ("--service-script a/b hello.py", "`--service-script`: `a/b`"),
    (
        "--service-script a gone.py",
        "`--service-script`: there is no file",
    ),
    (
        "--service-script a hello.py --service-script a hello.py",
        "give one of them another name",
    ),
    (
        "--service-user a nobody",
        "`--service-user`: there is no service `a`",
    ),
    (
        "--service-group a nobody",
        "`--service-group`: there is no service `a`",
    ),
    (
        "--service-log-file a x",
        "`--service-log-file`: there is no service `a`",
    ),
    (
        "--service-script a hello.py --service-log-file a b/c",
        "`--service-log-file`: `b/c`",
    ),
    (
        "--service-script a hello.py --service-user a nosuch",
        "no user `nosuch`",
    ),
    (
        "--service-script a hello.py --service-group a nosuch",
        "no group `nosuch`",
    ),
    // Debugging
    (
        "--enable-coverage --coverage-directory hello.py",
        "`--coverage-directory`: `",
    ),
    (
        "--enable-profiler --profiler-directory hello.py",
        "`--profiler-directory`: `",
    ),
    (
        "--enable-recorder --recorder-directory hello.py",
        "`--recorder-directory`: `",
    ),
    ("--debugger-startup", "needs `--enable-debugger`"),
    (
        "--enable-gdb --gdb-executable gone",
        "there is no program `gone`",
    ),
    // Server
    ("--user nosuch", "there is no user `nosuch`"),
    ("--user nosuch", "name one of this machine"),
    ("--group nosuch", "there is no group `nosuch`"),
    (
        "--envvars-script gone",
        "`--envvars-script`: there is no file",
    ),
    ("--shell-executable gone", "there is no program `gone`"),
    ("--httpd-executable gone", "name it by its path"),
    ("--httpd-executable gone", "there is no program `gone`"),
    ("--modules-directory /usr", "cannot be loaded"),
    ("--modules-directory /usr", "with `--modules-directory`"),
    ("--stop-timeout x", "`x` is not a"),
    ("--server-root hello.py", "hello.py` is no directory"),
    ("--pid-file gone/pid", "`--pid-file`: `"),
    ("--pid-file .", "`--pid-file`: `"),
    ("--process-name a\tb", "`--process-name`: `a\\tb`"),
    ("--socket-prefix a\tb", "`--socket-prefix`: `"),
    ("--config gone", "cannot read `gone`"),
    ("--log-format xml", "'xml'"),
    // Access and proxies in front
    ("--host-access-script gone", "`--host-access-script`"),
    ("--auth-user-script gone", "`--auth-user-script`"),
    ("--auth-type Negotiate", "'Negotiate'"),
    (
        "--auth-group-script hello.py",
        "`--auth-group-script` needs `--auth-user-script`",
    ),
    ("--auth-group=", "`--auth-group` has no name"),
    ("--trust-proxy-header X_Host", "`--trust-proxy-header`"),
    ("--trust-proxy-header X-Unheard", "`--trust-proxy-header`"),
    ("--trust-proxy localhost", "`--trust-proxy`"),
    // Metrics
    ("--telemetry-service /x", "`--telemetry-service`: `/x`"),
    ("--telemetry-service unix:x", "`--telemetry-service`"),
    (
        "--telemetry-service unix:/x --telemetry-interval 0.1",
        "`--telemetry-interval`: `0.1` cannot be used",
    ),
    (
        "--telemetry-interval 1",
        "`--telemetry-interval` needs `--telemetry-service`",
    ),
    (
        "--telemetry-service unix:/x --telemetry-options Everything",
        "`--telemetry-options`: `Everything` cannot be used",
    ),
    (
        "--telemetry-service unix:/x --slow-requests=-1",
        "`--slow-requests`: `-1` cannot be used",
    ),
    (
        "--slow-requests 1",
        "`--slow-requests` needs `--telemetry-service`",
    ),
    ("--enable-telemetry", "`--enable-telemetry`: the Python `/"),
    (
        "--enable-telemetry --telemetry-service unix:/x",
        "give one of the two",
    ),
    (
        "--enable-telemetry --service-script telemetry hello.py",
        "`telemetry` is the service of `--enable-telemetry`",
    ),
    (
        "--telemetry-ui-port 8888",
        "`--telemetry-ui-port` needs `--enable-telemetry`",
    ),
    ("--enable-telemetry --telemetry-ui-port 0", "'0'"),
    (
        "--enable-telemetry --telemetry-ui-port 8000 --port 8000",
        "`--telemetry-ui-port`: `8000` is the port of `--port`",
    ),
];

/// Whether a wrong value of that option is in the list.
pub(super) fn mentions(option: &str) -> bool {
    let words = WRONG.iter().flat_map(|(arguments, _)| arguments.split(' '));
    let mut names = words.filter_map(|word| word.strip_prefix("--"));
    names.any(|name| name.split('=').next() == Some(option))
}

#[test]
fn values_that_cannot_be_are_refused_by_the_name_of_their_option() {
    only_rsgi!("the launcher is ours");
    let launcher = with_certificate(Launcher::new());
    let mut failures = vec![];
    for (arguments, expected) in WRONG {
        if *arguments == "--free-threading" && kit::is_free_threaded_run() {
            continue;
        }
        let tls = "--https-port 8443 --ssl-certificate site";
        let arguments = arguments.replace("TLS", tls);
        let output = launcher
            .command("setup-server")
            .arg("hello.py")
            .args(arguments.split(' '))
            .output();
        let output = output.expect("rsgi-express starts");
        let said = text(&output);
        let code = output.status.code().unwrap_or_default();
        if !(1..=4).contains(&code) || !said.contains(expected) || said.contains("panicked") {
            failures.push(format!("{arguments}: {code}: {}", said.trim()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
