//! The pages of the reference that are made from the sources: directives, options of process groups, messages.

use std::fmt::Write as _;

use rsgi_core::daemon::option_help;
use rsgi_core::directive::{Arguments, Context, DIRECTIVES, Spec, parse};

use super::text;

/// docs/reference/directives.md.
pub(crate) fn directives() -> String {
    let mut page = String::from(
        "# Directives\n\nMade from the module's own table by `ci/pages`: do not edit. Values of `On` and `Off` are taken in any \
         case. Where a value is not taken, `apachectl configtest` names the line, the value and the cure. The options of \
         WSGIDaemonProcess have [a page of their own](daemon-options.md).\n\nA setting of a directory section goes before \
         that of a virtual host, that before the main server's.\n",
    );
    let mut specs: Vec<&Spec> = DIRECTIVES.iter().collect();
    specs.sort_by_key(|spec| name(spec));
    for spec in specs
        .iter()
        .filter(|spec| spec.context != Context::Anywhere)
    {
        write!(page, "\n## {}\n\n", name(spec)).unwrap();
        write!(
            page,
            "{}.\n\nWhere: {}.\n",
            sentence(spec),
            place_of(spec.context)
        )
        .unwrap();
    }
    page.push_str("\n## Directives that are no more\n\n| Name | What to do |\n|---|---|\n");
    for spec in specs
        .iter()
        .filter(|spec| spec.context == Context::Anywhere)
    {
        let refused = parse(spec.kind, b"x").unwrap_err().to_string();
        let cure = refused.split_once(": ").map_or("", |(_, cure)| cure);
        writeln!(page, "| `{}` | {cure} |", name(spec)).unwrap();
    }
    page
}

fn name(spec: &Spec) -> String {
    let name = spec.name.to_string_lossy();
    name.trim_start_matches('<').to_owned()
}

/// The line of help as a sentence, for Markdown.
fn sentence(spec: &Spec) -> String {
    let usage = spec.usage.to_string_lossy();
    let (first, rest) = usage.split_at(1);
    let is_a_name = usage.starts_with("mod_");
    let text = match is_a_name {
        true => usage.into_owned(),
        false => format!("{}{rest}", first.to_uppercase()),
    };
    let text = text.replace('<', "&lt;").replace('|', "\\|");
    match spec.arguments {
        Arguments::Flag => text
            .replacen("On to", "`On` to", 1)
            .replacen("Off to", "`Off` to", 1),
        _ => text,
    }
}

const fn place_of(context: Context) -> &'static str {
    match context {
        Context::Global => "main server, outside of every section",
        Context::Server => "main server, virtual host",
        Context::FileInfo => {
            "main server, virtual host, directory section, .htaccess (`AllowOverride FileInfo`)"
        }
        Context::ServerDirectory => "main server, virtual host, directory section",
        Context::AuthConfig => "directory section, .htaccess (`AllowOverride AuthConfig`)",
        Context::Anywhere => "nowhere",
    }
}

/// docs/reference/daemon-options.md.
pub(crate) fn daemon_options() -> String {
    let mut page = String::from(
        "# Options of WSGIDaemonProcess\n\nMade from the module's own table by `ci/pages`: do not edit.\n\n\
         `WSGIDaemonProcess name option=value …` defines a process group. It stands in the main server or in a virtual \
         host; the name is unique in the whole of Apache. A group of a virtual host serves hosts of the same ServerName \
         and logs to that host's error log. Times are in seconds, but for `response-flush-delay`.\n\n\
         | Option | What it is | Takes |\n|---|---|---|\n",
    );
    for option in option_help() {
        let usage = option.usage.replace('|', "\\|");
        let (first, rest) = usage.split_at(1);
        writeln!(
            page,
            "| `{}` | {}{rest} | {} |",
            option.name,
            first.to_uppercase(),
            option.takes
        )
        .unwrap();
    }
    page
}

/// docs/reference/messages.md.
pub(crate) fn messages() -> String {
    let text = text("MESSAGES.md");
    text.replacen(
        "# Messages\n",
        "# Messages\n\nMade from MESSAGES.md by `ci/pages`: do not edit.\n",
        1,
    )
}
