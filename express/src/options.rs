//! The table of all options: what each is by default, and which directive it writes.
//!
//! The names and defaults come from the command line's own definition; only the last column is written here. Prints
//! docs/express-options.md, which a test keeps current.

use std::fmt::Write as _;

use clap::{Arg, ArgAction};

use crate::cli::CommandLine;

/// Option and what it writes, as the documentation shows it.
const WRITES: &[(&str, &str)] = &[
    // Application
    ("entry-point", "handler.wsgi"),
    ("application-type", "handler.wsgi"),
    ("callable-object", "`WSGICallableObject`, handler.wsgi"),
    (
        "application-group",
        "`WSGIHandlerScript` and `WSGIImportScript … application-group=`",
    ),
    ("mount-point", "`RewriteCond`, handler.wsgi"),
    (
        "working-directory",
        "`WSGIDaemonProcess … home=` (embedded: `WSGIPythonPath`), apachectl",
    ),
    ("setenv", "`SetEnv`"),
    ("passenv", "`PassEnv`"),
    ("map-head-to-get", "`WSGIMapHEADToGET`"),
    ("chunked-request", "`WSGIChunkedRequest`"),
    // Python
    ("python", "`WSGIPythonHome`"),
    (
        "python-path",
        "`WSGIDaemonProcess … python-path=` (embedded: `WSGIPythonPath`)",
    ),
    (
        "python-eggs",
        "`WSGIDaemonProcess … python-eggs=` (embedded: handler.wsgi)",
    ),
    ("python-warnings", "`WSGIPythonWarnings`"),
    ("locale", "`WSGIDaemonProcess … lang= locale=`, apachectl"),
    ("lang", "as `--locale`, which wins"),
    (
        "switch-interval",
        "`WSGIDaemonProcess … switch-interval=` (embedded: `WSGISwitchInterval`)",
    ),
    ("orphan-interpreter", "`WSGIDestroyInterpreter Off`"),
    ("free-threading", "`WSGIFreeThreading On`"),
    // Reloading
    ("disable-reloading", "`WSGIScriptReloading`, handler.wsgi"),
    ("reload-on-changes", "nothing: the launcher watches"),
    ("reload-watch", "nothing: the launcher watches"),
    ("reload-ignore", "nothing: the launcher watches"),
    // Listening and names
    ("host", "`Listen`, `ServerName`"),
    ("port", "`Listen`"),
    ("server-backlog", "`ListenBacklog`"),
    ("http2", "`Protocols`, mod_http2"),
    ("server-name", "`ServerName`, `<VirtualHost>`"),
    ("server-alias", "`ServerAlias`"),
    ("allow-localhost", "`Require local`"),
    // TLS
    ("https-port", "`Listen`, `<VirtualHost>`, `SSLEngine`"),
    (
        "ssl-certificate",
        "`SSLCertificateFile`, `SSLCertificateKeyFile`",
    ),
    ("ssl-certificate-file", "`SSLCertificateFile`"),
    ("ssl-certificate-key-file", "`SSLCertificateKeyFile`"),
    ("ssl-certificate-chain-file", "`SSLCertificateChainFile`"),
    ("ssl-ca-certificate-file", "`SSLCACertificateFile`"),
    ("ssl-verify-client", "`SSLVerifyClient`"),
    ("ssl-environment", "`SSLOptions +StdEnvVars`"),
    ("https-only", "`RewriteRule`"),
    ("hsts-policy", "`Header … Strict-Transport-Security`"),
    // Access and proxies in front
    ("host-access-script", "`WSGIAccessScript`"),
    (
        "auth-user-script",
        "`WSGIAuthUserScript`, `AuthBasicProvider` or `AuthDigestProvider`",
    ),
    ("auth-type", "`AuthType`"),
    ("auth-group-script", "`WSGIAuthGroupScript`"),
    ("auth-group", "`Require wsgi-group`"),
    ("trust-proxy-header", "`WSGITrustedProxyHeaders`"),
    ("trust-proxy", "`WSGITrustedProxies`"),
    // Clients
    ("keep-alive-timeout", "`KeepAlive`, `KeepAliveTimeout`"),
    ("header-timeout", "`RequestReadTimeout header=`"),
    ("header-max-timeout", "`RequestReadTimeout header=`"),
    ("header-min-rate", "`RequestReadTimeout header=`"),
    ("body-timeout", "`RequestReadTimeout body=`"),
    ("body-max-timeout", "`RequestReadTimeout body=`"),
    ("body-min-rate", "`RequestReadTimeout body=`"),
    ("limit-request-body", "`LimitRequestBody`"),
    ("compress-responses", "`AddOutputFilterByType DEFLATE`"),
    // Processes and capacity
    ("processes", "`WSGIDaemonProcess … processes=`"),
    ("threads", "`WSGIDaemonProcess … threads=`"),
    ("embedded-mode", "no `WSGIDaemonProcess`"),
    ("process-group", "`WSGIDaemonProcess`"),
    ("max-clients", "`MaxRequestWorkers`, `ThreadsPerChild`"),
    ("initial-workers", "`StartServers`"),
    (
        "minimum-spare-workers",
        "`MinSpareThreads` (prefork: `MinSpareServers`)",
    ),
    (
        "maximum-spare-workers",
        "`MaxSpareThreads` (prefork: `MaxSpareServers`)",
    ),
    ("server-mpm", "`LoadModule mpm_…`"),
    ("daemon-backlog", "`WSGIDaemonProcess … listen-backlog=`"),
    (
        "maximum-requests",
        "`WSGIDaemonProcess … maximum-requests=` (embedded: `MaxConnectionsPerChild`)",
    ),
    ("socket-prefix", "`WSGISocketPrefix`, `WSGISocketRotation`"),
    // Times
    ("startup-timeout", "`WSGIDaemonProcess … startup-timeout=`"),
    (
        "shutdown-timeout",
        "`WSGIDaemonProcess … shutdown-timeout=`",
    ),
    (
        "restart-interval",
        "`WSGIDaemonProcess … restart-interval=`",
    ),
    ("cpu-time-limit", "`WSGIDaemonProcess … cpu-time-limit=`"),
    (
        "graceful-timeout",
        "`WSGIDaemonProcess … graceful-timeout=`",
    ),
    (
        "eviction-timeout",
        "`WSGIDaemonProcess … eviction-timeout=`",
    ),
    (
        "deadlock-timeout",
        "`WSGIDaemonProcess … deadlock-timeout=`",
    ),
    (
        "inactivity-timeout",
        "`WSGIDaemonProcess … inactivity-timeout=`",
    ),
    ("request-timeout", "`WSGIDaemonProcess … request-timeout=`"),
    (
        "interrupt-timeout",
        "`WSGIDaemonProcess … interrupt-timeout=`",
    ),
    ("connect-timeout", "`WSGIDaemonProcess … connect-timeout=`"),
    ("queue-timeout", "`WSGIDaemonProcess … queue-timeout=`"),
    (
        "socket-timeout",
        "`Timeout`, which the process group follows",
    ),
    (
        "response-socket-timeout",
        "`WSGIDaemonProcess … response-socket-timeout=`",
    ),
    (
        "response-flush-delay",
        "`WSGIDaemonProcess … response-flush-delay=`",
    ),
    ("ignore-activity", "`WSGIIgnoreActivity`"),
    // Buffers
    (
        "send-buffer-size",
        "`WSGIDaemonProcess … send-buffer-size=`",
    ),
    (
        "receive-buffer-size",
        "`WSGIDaemonProcess … receive-buffer-size=`",
    ),
    (
        "header-buffer-size",
        "`WSGIDaemonProcess … header-buffer-size=`",
    ),
    (
        "response-buffer-size",
        "`WSGIDaemonProcess … response-buffer-size=`",
    ),
    // Files
    (
        "document-root",
        "`DocumentRoot`, further ones `RewriteRule`",
    ),
    ("directory-index", "`DirectoryIndex`"),
    ("directory-listing", "`Options +Indexes`, mod_autoindex"),
    ("allow-override", "`AllowOverride`"),
    ("url-alias", "`Alias`"),
    ("error-document", "`ErrorDocument`"),
    ("error-override", "`WSGIErrorOverride`"),
    ("maintenance-file", "`RewriteRule`, `ErrorDocument 503`"),
    (
        "add-handler",
        "`AddHandler`, `WSGIHandlerScript`, resource.wsgi",
    ),
    ("with-cgi", "`AddHandler cgi-script`, `Options +ExecCGI`"),
    (
        "with-php5",
        "`LoadModule php_module`, `SetHandler application/x-httpd-php`",
    ),
    ("enable-docs", "`Alias \"/__wsgi__/docs\"`, docs/"),
    ("enable-sendfile", "`EnableSendfile`, `WSGIEnableSendfile`"),
    ("rewrite-rules", "`Include`"),
    ("include-file", "`Include`"),
    ("mime-types", "`TypesConfig`"),
    // Proxy
    ("proxy-mount-point", "`ProxyPass`, `ProxyPassReverse`"),
    ("proxy-virtual-host", "`<VirtualHost>`, `ProxyPass`"),
    ("proxy-timeout", "`ProxyTimeout`"),
    // Logs
    ("log-to-terminal", "`ErrorLog`, `CustomLog`"),
    ("log-directory", "`ErrorLog`, `CustomLog`"),
    ("log-level", "`LogLevel`"),
    ("access-log", "`CustomLog`"),
    ("access-log-format", "`LogFormat`, `CustomLog`"),
    ("error-log-format", "`ErrorLogFormat`"),
    ("access-log-name", "`CustomLog`"),
    ("error-log-name", "`ErrorLog`"),
    ("startup-log", "apachectl: `httpd -E`"),
    ("startup-log-name", "apachectl: `httpd -E`"),
    ("rotate-logs", "`ErrorLog`, `CustomLog` piped to rotatelogs"),
    (
        "max-log-size",
        "`ErrorLog`, `CustomLog` piped to rotatelogs",
    ),
    (
        "rotatelogs-executable",
        "`ErrorLog`, `CustomLog` piped to rotatelogs",
    ),
    // Services
    (
        "service-script",
        "`WSGIDaemonProcess service:… threads=0`, `WSGIImportScript`",
    ),
    ("service-user", "`WSGIDaemonProcess service:… user=`"),
    ("service-group", "`WSGIDaemonProcess service:… group=`"),
    ("service-log-file", "`<VirtualHost>`, `ErrorLog`"),
    // Metrics
    (
        "server-metrics",
        "`WSGIServerMetrics On`, `WSGIDaemonProcess … server-metrics=On`, `ExtendedStatus On`",
    ),
    ("telemetry-service", "`WSGITelemetryService`"),
    (
        "enable-telemetry",
        "telemetry-service.py, `WSGIDaemonProcess service:telemetry threads=0`, `WSGITelemetryService`",
    ),
    ("telemetry-ui-port", "telemetry-service.py"),
    ("telemetry-interval", "`WSGITelemetryService … interval=`"),
    ("telemetry-options", "`WSGITelemetryOptions`"),
    ("slow-requests", "`WSGISlowRequests`"),
    // Debugging
    ("debug-mode", "apachectl: `httpd -DONE_PROCESS`"),
    ("enable-debugger", "handler.wsgi"),
    ("debugger-startup", "handler.wsgi"),
    ("enable-coverage", "handler.wsgi"),
    ("coverage-directory", "handler.wsgi"),
    ("enable-profiler", "handler.wsgi"),
    ("profiler-directory", "handler.wsgi"),
    ("enable-recorder", "handler.wsgi"),
    ("recorder-directory", "handler.wsgi"),
    ("enable-gdb", "apachectl, gdb.cmds"),
    ("gdb-executable", "apachectl"),
    // Server
    ("server-root", "`ServerRoot`, `DefaultRuntimeDir`"),
    ("user", "`User`"),
    ("group", "`Group`"),
    ("pid-file", "`PidFile`"),
    ("envvars-script", "envvars"),
    ("shell-executable", "apachectl"),
    ("httpd-executable", "apachectl"),
    ("modules-directory", "`LoadModule`"),
    ("process-name", "apachectl: `exec -a`"),
    (
        "server-status",
        "`<Location \"/server-status\">`, mod_status",
    ),
    ("verbose-debugging", "nothing: accepted for mod_wsgi's sake"),
    ("setup-only", "nothing: the launcher ends"),
    // Service
    ("stop-timeout", "nothing: the launcher waits"),
    // Configuration
    ("config", "nothing: further options"),
    ("print-config", "nothing: the launcher ends"),
    ("log-format", "nothing: the launcher's own lines"),
];

/// The table as Markdown.
pub(crate) fn markdown() -> String {
    let mut text = String::from(
        "# Options of rsgi-express\n\n\
         Of `start-server` and `setup-server`. Written by `rsgi-express options --markdown`: do not edit. Names and defaults \
         are those of mod_wsgi-express 6.1.1, but for what [Coming from mod_wsgi](from-mod-wsgi.md) says; what it does not \
         have is marked +. What ends in … may be given several times.\n",
    );
    let grammar = CommandLine::grammar();
    let Some(command) = grammar.find_subcommand("start-server") else {
        return text;
    };
    let mut heading = String::new();
    let options = command
        .get_arguments()
        .filter_map(|argument| Some((argument.get_long()?, argument)));
    for (name, argument) in options {
        let own = argument.get_help_heading().unwrap_or("Other");
        if own != heading {
            heading = own.to_owned();
            row(
                &mut text,
                &format!("\n## {heading}\n\n| Option | Default | Writes |\n|---|---|---|"),
            );
        }
        let writes = WRITES.iter().find(|(option, _)| *option == name);
        let writes = writes.map_or("", |(_, writes)| writes);
        row(
            &mut text,
            &format!(
                "| {} | {} | {writes} |",
                shown(name, argument),
                default(argument)
            ),
        );
    }
    text.trim_end().to_owned()
}

/// Options of our own.
const OWN: [&str; 8] = [
    "python",
    "reload-watch",
    "reload-ignore",
    "maintenance-file",
    "stop-timeout",
    "config",
    "print-config",
    "log-format",
];

fn shown(name: &str, argument: &Arg) -> String {
    let mut text = format!("`--{name}");
    if argument.get_action().takes_values() {
        for value in argument.get_value_names().unwrap_or_default() {
            // Writing to a string cannot fail.
            let _ = write!(text, " {}", value.replace('|', "\\|"));
        }
        if matches!(argument.get_action(), ArgAction::Append) {
            text.push_str(" …");
        }
    }
    text.push('`');
    for alias in argument.get_all_aliases().unwrap_or_default() {
        let _ = write!(text, ", `--{alias}`");
    }
    if OWN.contains(&name) {
        text.push_str(" +");
    }
    text
}

fn default(argument: &Arg) -> String {
    if !argument.get_action().takes_values() {
        return "off".to_owned();
    }
    let values = argument.get_default_values();
    if let Some(value) = values.first() {
        return format!("`{}`", value.to_string_lossy());
    }
    let help = argument.get_help().map(ToString::to_string);
    let help = help.unwrap_or_default();
    let told = help.split_once("[default: ").map(|(_, rest)| rest);
    told.map_or_else(
        || "–".to_owned(),
        |told| told.trim_end_matches(']').to_owned(),
    )
}

fn row(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_says_what_it_writes_and_nothing_else_is_listed() {
        let grammar = CommandLine::grammar();
        let command = grammar.find_subcommand("start-server").unwrap();
        let names: Vec<_> = command.get_arguments().filter_map(Arg::get_long).collect();
        for name in &names {
            assert!(WRITES.iter().any(|(option, _)| option == name), "{name}");
        }
        for (option, _) in WRITES {
            assert!(names.contains(option), "{option}");
        }
        for name in OWN {
            assert!(names.contains(&name), "{name}");
        }
    }

    #[test]
    fn the_documentation_is_current() {
        let current = include_str!("../../docs/express-options.md").trim_end();
        assert_eq!(
            current,
            markdown(),
            "rsgi-express options --markdown > docs/express-options.md"
        );
    }
}
