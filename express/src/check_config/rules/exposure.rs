//! What a client gets to see or to decide that was not meant: source code, files that run, forged addresses.

use std::path::Path;

use super::super::finding::{Finding, Level};
use super::super::line::{Line, lies_below};
use super::super::model::{Application, Config};
use super::about;

pub(super) fn look(config: &Config, findings: &mut Vec<Finding>) {
    for application in &config.applications {
        served_folder(config, application, findings);
    }
    handlers(config, findings);
    reloading(config, findings);
    proxies(config, findings);
    old_access(config, findings);
}

/// A script whose folder is also served as files.
fn served_folder(config: &Config, application: &Application, findings: &mut Vec<Finding>) {
    let line = &application.line;
    if application.url.is_empty() {
        return;
    }
    let target = application.target.trim_end_matches('/');
    let folder = if target.len() < application.target.len() {
        target.to_owned()
    } else {
        Path::new(target)
            .parent()
            .unwrap_or(Path::new("/"))
            .display()
            .to_string()
    };
    let mut told = |also: &Line, what: &str, url: &str| {
        findings.push(
            about(
                Level::Warning,
                "source-served",
                line,
                format!("the folder of this script, `{folder}`, is also served as files"),
            )
            .also(what, also.place.clone())
            .why(format!(
                "whoever knows a name can fetch source code and settings{url}"
            ))
            .cure("put the script and its modules into a folder that no URL leads to"),
        );
    };
    for alias in config.all("Alias").filter(|alias| is_near(alias, line)) {
        if let [url, served, ..] = alias.words().as_slice()
            && lies_below(&folder, served)
        {
            told(alias, "this alias", &format!(", below {url}"));
            return;
        }
    }
    // The application answers for everything below its URL.
    if application.url == "/" {
        return;
    }
    let roots = config
        .all("DocumentRoot")
        .filter(|root| is_near(root, line));
    if let Some(root) = roots.max_by_key(|root| root.host().is_some())
        && lies_below(&folder, &root.word())
    {
        told(root, "this folder", "");
    }
}

/// Whether a line holds in the server of another.
fn is_near(line: &Line, of: &Line) -> bool {
    line.host()
        .is_none_or(|host| of.host().is_some_and(|own| std::rc::Rc::ptr_eq(host, own)))
}

/// Every file of a kind is a program.
fn handlers(config: &Config, findings: &mut Vec<Finding>) {
    for line in config
        .all("AddHandler")
        .filter(|line| line.word() == "wsgi-script")
    {
        let words = line.words();
        let has_py = words
            .iter()
            .skip(1)
            .any(|kind| kind.trim_start_matches('.') == "py");
        let (level, what) = if has_py {
            (
                Level::Warning,
                "every .py file here runs when somebody asks for its URL, modules and settings included",
            )
        } else {
            (
                Level::Note,
                "every file of this kind runs, whoever put it there",
            )
        };
        findings.push(
            about(level, "add-handler", line, what)
                .why("who can write a file into the folder can run code as the web user")
                .cure("one WSGIScriptAlias for each application, outside of the served folders"),
        );
    }
}

/// Scripts that are looked at in each request.
fn reloading(config: &Config, findings: &mut Vec<Finding>) {
    for line in config
        .all("WSGIScriptReloading")
        .filter(|line| line.is_on())
    {
        findings.push(
            about(Level::Note, "reloading", line, "a change of the script reloads the application with the next request")
                .why("a half-copied deployment is loaded while it is written; only the script itself is watched, not its modules")
                .cure("WSGIScriptReloading Off, and a graceful restart behind each deployment, which loses no request"),
        );
    }
}

/// Headers that anybody can send.
fn proxies(config: &Config, findings: &mut Vec<Finding>) {
    if config.all("WSGITrustedProxies").next().is_some() {
        return;
    }
    for line in config.all("WSGITrustedProxyHeaders") {
        findings.push(
            about(Level::Warning, "trusted-headers", line, "headers of proxies are believed from everybody")
                .why("a client that reaches Apache directly chooses its own address, host name and scheme")
                .cure("WSGITrustedProxies with the addresses of the proxies, such as 10.0.0.0/8"),
        );
    }
}

/// Access control of Apache 2.2.
fn old_access(config: &Config, findings: &mut Vec<Finding>) {
    let old = |line: &&Line| {
        ["Order", "Allow", "Deny", "Satisfy"]
            .iter()
            .any(|name| line.is(name))
    };
    if let Some(line) = config.lines.iter().find(old) {
        findings.push(
            about(
                Level::Note,
                "apache-2.2",
                line,
                format!("{} is of Apache 2.2 and needs mod_access_compat", line.name),
            )
            .cure("Require all granted, Require all denied, or Require ip"),
        );
    }
}
