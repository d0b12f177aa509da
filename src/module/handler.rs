//! Answers a request whose handler is a WSGI script or a handler script: the checks in mod_wsgi's order, then the
//! application, here (`local`) or in a process of a group (`remote`).

use std::ffi::CStr;

use rsgi_bridge::abi::level;
use rsgi_core::group::Case;
use rsgi_core::metrics::FailureCause;
use rsgi_core::options::{Effective, Origin};

use super::asked::{Asked, Script};
use super::directives::ServerConfig;
use super::dispatch::{self, Dispatched};
use super::environ::View;
use super::groups::{self, Destination};
use super::{NO_SETTINGS, Rsgi, local, mapping, metrics, remote, status};
use crate::httpd::{FileKind, Request, Server, Verdict};

/// The handler's name by which aliases, AddHandler and SetHandler choose it.
pub(super) const SCRIPT_HANDLER: &CStr = c"wsgi-script";
/// Its old name, a media type.
const SCRIPT_TYPE: &[u8] = b"application/x-httpd-wsgi";

pub(super) const NO_MEMORY: &str = "RSGI0301: httpd gave the request no memory or no connection";
/// Why a request is not run: the status, the line that says so, and what it is counted as.
pub(super) struct Refusal {
    pub(super) status: u16,
    line: String,
    pub(super) cause: Option<FailureCause>,
}

impl Refusal {
    pub(super) fn new(status: u16, line: impl Into<String>) -> Self {
        Self {
            status,
            line: line.into(),
            cause: None,
        }
    }

    /// One that is counted as a failure.
    pub(super) fn failure(cause: FailureCause, status: u16, line: impl Into<String>) -> Self {
        Self {
            cause: Some(cause),
            ..Self::new(status, line)
        }
    }

    /// One for want of memory.
    pub(super) fn no_memory() -> Self {
        Self::failure(FailureCause::NoMemory, 500, NO_MEMORY)
    }

    /// One whose reason has been logged.
    pub(super) fn told(status: u16) -> Self {
        Self::new(status, "")
    }
}

/// Answers httpd's `handler` hook.
pub(super) fn handle(request: Request<'_>) -> Verdict {
    let Some(name) = request.handler_name() else {
        return Verdict::Declined;
    };
    if name == status::HANDLER {
        return status::handle(request);
    }
    if name == metrics::HANDLER {
        return metrics::handle(request);
    }
    let Some(config) = request.server().and_then(|server| server.config::<Rsgi>()) else {
        return Verdict::Declined;
    };
    let directory = request
        .directory_config::<Rsgi>()
        .map_or(&NO_SETTINGS, |directory| &directory.settings);
    let effective = Effective::new(directory, &config.options.settings);
    let answer = if name == SCRIPT_HANDLER.to_bytes() || name == SCRIPT_TYPE {
        let alias = mapping::alias_of(request, config);
        let origin = alias.map_or(Origin::Handler, Origin::Alias);
        check_script(request, alias.is_some()).and_then(|mtime| {
            let script = request.filename().unwrap_or_default();
            run(
                request,
                config,
                effective.with_origin(origin),
                Script {
                    path: script,
                    mtime: Some(mtime),
                    handler: b"",
                },
            )
        })
    } else if let Some(handler) = effective.handler_script(name) {
        let origin = Origin::HandlerScript(handler);
        let path: &[u8] = &handler.script;
        run(
            request,
            config,
            effective.with_origin(origin),
            Script {
                path,
                mtime: None,
                handler: path,
            },
        )
    } else {
        return Verdict::Declined;
    };
    answer.unwrap_or_else(|refusal| {
        // What any client can cause is no error of the server's.
        let severity = if matches!(refusal.status, 400 | 408 | 411 | 413 | 501) {
            level::INFO
        } else {
            level::ERROR
        };
        if !refusal.line.is_empty() {
            log(request, severity, &refusal.line);
        }
        Verdict::Status(refusal.status)
    })
}

pub(super) fn log(request: Request<'_>, level: u32, line: &str) {
    let file = request.filename().unwrap_or_default();
    request.log(
        level,
        format!("[script {}] {line}", String::from_utf8_lossy(file)).as_bytes(),
    );
}

/// Whether the requested file may be run as a script; its modification time.
fn check_script(request: Request<'_>, is_aliased: bool) -> Result<i64, Refusal> {
    let file = request.filename().unwrap_or_default().escape_ascii();
    if !is_aliased && !request.may_execute() {
        return Err(Refusal::new(
            403,
            format!(
                "RSGI0134: `Options ExecCGI` is off for `{file}`: switch it on for its folder, or map the script with WSGIScriptAlias"
            ),
        ));
    }
    match request.file_kind() {
        FileKind::Missing => Err(Refusal::new(
            404,
            format!(
                "RSGI0135: the WSGI script `{file}` does not exist, or a folder on its path cannot be entered"
            ),
        )),
        FileKind::Directory => Err(Refusal::new(
            403,
            format!("RSGI0136: `{file}` is a folder, not a WSGI script"),
        )),
        FileKind::File(mtime) => Ok(mtime),
    }
}

/// Whether the request's body can be taken; its declared length.
fn check_body(request: Request<'_>, effective: &Effective<'_>) -> Result<Option<u64>, Refusal> {
    if request.refuses_path_info() && request.path_info().is_some_and(|path| !path.is_empty()) {
        return Err(Refusal::new(
            404,
            "RSGI0137: AcceptPathInfo is Off, and the request names a path beyond the script",
        ));
    }
    let headers = request.headers_in();
    if let Some(coding) = headers.and_then(|headers| headers.first(c"Transfer-Encoding")) {
        if !coding.to_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::new(
                501,
                format!(
                    "RSGI0138: the transfer encoding `{}` is not known",
                    coding.to_bytes().escape_ascii()
                ),
            ));
        }
        if !effective.chunked_request() {
            return Err(Refusal::new(
                411,
                "RSGI0139: the request body is chunked: `WSGIChunkedRequest On` accepts that",
            ));
        }
    }
    let Some(text) = headers.and_then(|headers| headers.first(c"Content-Length")) else {
        return Ok(None);
    };
    let text = text.to_bytes();
    let length = std::str::from_utf8(text)
        .ok()
        .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let Some(length) = length
        .and_then(|text| text.parse::<u64>().ok())
        .filter(|&length| i64::try_from(length).is_ok())
    else {
        return Err(Refusal::new(
            400,
            format!(
                "RSGI0141: the Content-Length `{}` is not a length",
                text.escape_ascii()
            ),
        ));
    };
    match request.body_limit() {
        Some(limit) if length > limit => Err(Refusal::new(
            413,
            format!(
                "RSGI0142: the request body of {length} bytes is larger than LimitRequestBody ({limit})"
            ),
        )),
        _ => Ok(Some(length)),
    }
}

/// Runs the application where it belongs.
fn run<'r>(
    request: Request<'r>,
    config: &'r ServerConfig,
    effective: Effective<'r>,
    script: Script<'r>,
) -> Result<Verdict, Refusal> {
    if request.method() == Some(b"CONNECT") {
        // Who reads a success as an answer to CONNECT takes all that follows for what came through a tunnel.
        let line = "RSGI0304: CONNECT asks for a tunnel, which no application can be";
        return Err(Refusal::new(501, line));
    }
    let length = check_body(request, &effective)?;
    let pool = request.pool().ok_or_else(Refusal::no_memory)?;
    let server = request.server().ok_or_else(Refusal::no_memory)?;
    let mut asked = Asked {
        request,
        config,
        effective,
        script,
        length,
        view: View::new(request, pool),
        case: case(server),
        dispatched: Dispatched::default(),
    };
    if let Some(script) = effective.dispatch_script() {
        asked.dispatched = dispatch::ask(&asked, script)?;
    }
    let mut buffer = Vec::new();
    let name = asked
        .process_group()
        .expand(&asked.view, asked.case, &mut buffer);
    match groups::choose(server, &effective, name).map_err(|line| Refusal::new(500, line))? {
        Destination::Embedded => local::run(&asked),
        Destination::Group(group) => remote::run(&asked, server, group),
    }
}

/// `WSGICaseSensitivity`, which the main server has.
pub(super) fn case(server: Server<'_>) -> Case {
    server
        .main()
        .config::<Rsgi>()
        .map_or(Case::Sensitive, |main| main.global.case_sensitivity)
}
