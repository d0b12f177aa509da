//! Answers a request whose handler is a WSGI script or a handler script: the checks in mod_wsgi's order, then the
//! application.

use std::cell::Cell;
use std::ffi::CStr;

use rsgi_bridge::abi::{self, level};
use rsgi_bridge::facts::{ConstantsBlock, FieldList, RequestFacts, TargetFacts};
use rsgi_bridge::host::Outcome;
use rsgi_core::directive::Shown;
use rsgi_core::environ::{self, CollectOptions, Facts, Key, KnownSet, ServerFacts};
use rsgi_core::group::Case;
use rsgi_core::options::{Effective, Origin};

use super::directives::ServerConfig;
use super::environ::View;
use super::groups::{self, Destination};
use super::host::ApacheHost;
use super::{NO_SETTINGS, Rsgi, embedded, mapping};
use crate::httpd::{FileKind, Request, Verdict};

/// The handler's name by which aliases, AddHandler and SetHandler choose it.
pub(super) const SCRIPT_HANDLER: &CStr = c"wsgi-script";
/// Its old name, a media type.
const SCRIPT_TYPE: &[u8] = b"application/x-httpd-wsgi";
/// Longest body that is read before Python is entered, in bytes.
const READ_AHEAD: u64 = 64 * 1024;

const NO_MEMORY: &str = "RSGI0301: httpd gave the request no memory or no connection";
const NO_PYTHON: &str = "RSGI0210: Python is not running in this process: an earlier line of the main error log says why";

/// Why a request is not run: the status, and the line that says so.
struct Refusal {
    status: u16,
    line: String,
}

impl Refusal {
    fn new(status: u16, line: impl Into<String>) -> Self {
        Self {
            status,
            line: line.into(),
        }
    }
}

/// Answers httpd's `handler` hook.
pub(super) fn handle(request: Request<'_>) -> Verdict {
    let Some(name) = request.handler_name() else {
        return Verdict::Declined;
    };
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
        let severity = if matches!(refusal.status, 400 | 411 | 413 | 501) {
            level::INFO
        } else {
            level::ERROR
        };
        log(request, severity, &refusal.line);
        Verdict::Status(refusal.status)
    })
}

/// The script that a request runs.
#[derive(Clone, Copy)]
struct Script<'r> {
    path: &'r [u8],
    mtime: Option<i64>,
    /// The handler script, empty when the requested file is the script.
    handler: &'r [u8],
}

fn log(request: Request<'_>, level: u32, line: &str) {
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

thread_local! {
    /// The memory of the last request's lists, for the next one on the thread.
    static LISTS: Cell<Option<(Facts<'static>, FieldList<'static>)>> = const { Cell::new(None) };
}

/// Runs the application.
fn run<'r>(
    request: Request<'r>,
    config: &'r ServerConfig,
    effective: Effective<'r>,
    script: Script<'r>,
) -> Result<Verdict, Refusal> {
    let length = check_body(request, &effective)?;
    let failed = || Refusal::new(500, NO_MEMORY);
    let pool = request.pool().ok_or_else(failed)?;
    let view = View::new(request, pool);
    check_process_group(request, &effective, &view)?;
    let layer = embedded::layer(request.server()).ok_or_else(|| Refusal::new(500, NO_PYTHON))?;
    let mut buffer = Vec::new();
    let application_group = effective
        .application_group()
        .expand(&view, case(request), &mut buffer);
    let callable = effective.callable_object(&view);
    let (constants, known) = constants(request, config);
    let options = CollectOptions {
        pass_authorization: effective.pass_authorization(),
        cgi_pass_auth: request.passes_credentials(),
        head_mapping: effective.map_head_to_get(),
        current_uri: request.uses_current_uri(),
        constants: known,
        process_group: b"",
        application_group,
        callable_object: callable,
        request_handler: request.handler_name().unwrap_or_default(),
        handler_script: script.handler,
    };
    let (facts, fields) = LISTS
        .take()
        .unwrap_or_else(|| (Facts::new(), FieldList::with_capacity(64)));
    let (mut facts, mut fields) = (facts.recycle(), fields.recycle());
    environ::collect(&view, &options, &mut facts);
    fill(&facts, &mut fields);
    let target = TargetFacts {
        application_group,
        script: script.path,
        callable,
        resource: request.filename().unwrap_or_default(),
        mtime: script.mtime,
        flags: flag(effective.script_reloading(), abi::TARGET_RELOADING),
    };
    let mut host = ApacheHost::new(request, effective.enable_sendfile()).ok_or_else(failed)?;
    let body = read_ahead(request, &mut host, length);
    let flags = flag(facts.head, abi::REQUEST_HEAD)
        | flag(facts.https, abi::REQUEST_HTTPS)
        | flag(host.body_is_complete(), abi::REQUEST_BODY_COMPLETE);
    let run = RequestFacts {
        target,
        constants: Some(constants),
        fields: &fields,
        body: &body,
        flags,
        request_start: request.start_time(),
        queue_start: 0,
        daemon_start: 0,
    };
    let outcome = layer.handle(&run, &mut host);
    LISTS.set(Some((facts.recycle(), fields.recycle())));
    Ok(conclude(outcome, &mut host))
}

/// Whether the request may run here.
fn check_process_group(
    request: Request<'_>,
    effective: &Effective<'_>,
    view: &View<'_>,
) -> Result<(), Refusal> {
    let mut buffer = Vec::new();
    let name = effective
        .process_group()
        .expand(view, case(request), &mut buffer);
    let server = request
        .server()
        .ok_or_else(|| Refusal::new(500, NO_MEMORY))?;
    match groups::choose(server, effective, name).map_err(|line| Refusal::new(500, line))? {
        Destination::Embedded => Ok(()),
        // TODO(#4): send it there.
        Destination::Group(group) => Err(Refusal::new(
            500,
            format!(
                "RSGI0151: the process group {} has no processes yet",
                Shown::new(&group.definition.name)
            ),
        )),
    }
}

/// `WSGICaseSensitivity`, which the main server has.
fn case(request: Request<'_>) -> Case {
    let main = request
        .server()
        .and_then(|server| server.main().config::<Rsgi>());
    main.map_or(Case::Sensitive, |main| main.global.case_sensitivity)
}

/// What has arrived of a short body, so that Python need not be left for it.
fn read_ahead(request: Request<'_>, host: &mut ApacheHost<'_>, length: Option<u64>) -> Vec<u8> {
    match length {
        Some(length @ 1..=READ_AHEAD) if !request.expects_continue() => {
            host.read_ahead(usize::try_from(length).unwrap_or(0))
        }
        _ => Vec::new(),
    }
}

const fn flag(holds: bool, bit: u32) -> u32 {
    if holds { bit } else { 0 }
}

fn fill<'a>(facts: &Facts<'a>, fields: &mut FieldList<'a>) {
    for fact in &facts.entries {
        match fact.key {
            Key::Known(id) => fields.push(id, fact.value),
            Key::Spelled(name) => fields.push_named(name, fact.value),
        }
    }
}

/// The environ entries that all requests of the server share, made at the first of them.
fn constants<'r>(request: Request<'r>, config: &'r ServerConfig) -> (&'r ConstantsBlock, KnownSet) {
    let block = config.constants.get_or_init(|| {
        let pid = std::process::id().to_string();
        let mut facts = Facts::new();
        let server = ServerFacts {
            software: request.server_banner(),
            admin: request.server_admin(),
            process_group: Some(b""),
            pid: pid.as_bytes(),
        };
        environ::collect_constants(&server, &mut facts);
        let mut fields = FieldList::with_capacity(8);
        fill(&facts, &mut fields);
        (ConstantsBlock::new(&fields), facts.known())
    });
    (&block.0, block.1)
}

/// What httpd is told after the application ran.
fn conclude(outcome: Outcome, host: &mut ApacheHost<'_>) -> Verdict {
    match outcome {
        Outcome::Handled | Outcome::Gone => Verdict::Ok,
        Outcome::Status(status) if !host.is_committed() => Verdict::Status(status),
        Outcome::Panicked | Outcome::Stale if !host.is_committed() => Verdict::Status(500),
        Outcome::Truncated | Outcome::Panicked | Outcome::Stale | Outcome::Status(_) => {
            host.cut();
            Verdict::Ok
        }
    }
}
