//! Access control by scripts: who a user is, which groups the user has, and whether a client is let in. Always asked in
//! Apache's children, wherever applications run.

use rsgi_bridge::abi::{self, level};
use rsgi_bridge::ask::{Answer, Asker, Question};
use rsgi_bridge::facts::{FieldList, RequestFacts, TargetFacts, Tries};
use rsgi_core::environ::{self, AccessFacts, Facts, ServerFacts};
use rsgi_core::options::{AskedScript, Effective};
use rsgi_core::words::Words;

use super::asked::flag;
use super::environ::View;
use super::handler::{case, log};
use super::local::{NO_PYTHON, fill};
use super::{NO_SETTINGS, Rsgi, embedded};
use crate::httpd::{Authorized, Checked, RealmHash, Request, Verdict};

/// The request that something is asked about, and the texts of the answer.
pub(super) struct ApacheAsker<'r> {
    request: Request<'r>,
    pub(super) texts: Vec<(u32, Vec<u8>)>,
}

impl<'r> ApacheAsker<'r> {
    pub(super) fn new(request: Request<'r>) -> Self {
        Self {
            request,
            texts: Vec::new(),
        }
    }
}

impl Asker for ApacheAsker<'_> {
    fn log(&mut self, level: u32, text: &[u8]) {
        self.request.log(level, text);
    }

    fn give(&mut self, index: u32, text: &[u8]) {
        self.texts.push((index, text.to_vec()));
    }

    fn is_https(&mut self) -> bool {
        self.request.is_https()
    }

    fn variable(&mut self, name: &[u8]) -> Option<&[u8]> {
        self.request.ssl_variable(name)
    }
}

/// The settings that hold for the request.
fn settings(request: Request<'_>) -> Option<Effective<'_>> {
    let config = request.server()?.config::<Rsgi>()?;
    let directory = request
        .directory_config::<Rsgi>()
        .map_or(&NO_SETTINGS, |directory| &directory.settings);
    Some(Effective::new(directory, &config.options.settings))
}

/// Puts a question to a script; the texts of the answer come back.
fn ask(
    request: Request<'_>,
    effective: &Effective<'_>,
    script: &AskedScript,
    question: &Question<'_>,
) -> (Answer, Vec<(u32, Vec<u8>)>) {
    let failed = (Answer::Failed, Vec::new());
    let (Some(pool), Some(server)) = (request.pool(), request.server()) else {
        return failed;
    };
    let Some(layer) = embedded::layer(Some(server)) else {
        log(request, level::ERROR, NO_PYTHON);
        return failed;
    };
    let view = View::new(request, pool);
    let mut buffer = Vec::new();
    let application_group = script
        .application_group
        .expand(&view, case(server), &mut buffer);
    let access = AccessFacts {
        server: ServerFacts {
            software: request.server_banner(),
            admin: request.server_admin(),
            process_group: Some(b""),
            pid: None,
        },
        signature: request.signature(),
        remote_host: request.remote_host(),
        application_group,
        current_uri: request.uses_current_uri(),
    };
    let mut facts = Facts::new();
    environ::collect_access(&view, &access, &mut facts);
    let mut fields = FieldList::with_capacity(facts.entries.len());
    fill(&facts, &mut fields);
    let mut asker = ApacheAsker::new(request);
    let facts = RequestFacts {
        target: TargetFacts {
            application_group,
            script: &script.script,
            flags: flag(effective.script_reloading(), abi::TARGET_RELOADING),
            ..TargetFacts::default()
        },
        constants: None,
        fields: &fields,
        body: b"",
        flags: 0,
        request_start: request.start_time(),
        queue_start: 0,
        daemon_start: 0,
        tries: Tries::NONE,
        apache_request: effective.pass_apache_request().then(|| request.address()),
    };
    let answer = layer.ask(&facts, question, &mut asker);
    (answer, asker.texts)
}

/// Answers httpd's `access_checker` hook.
pub(super) fn check_access(request: Request<'_>) -> Verdict {
    let Some(effective) = settings(request) else {
        return Verdict::Declined;
    };
    let Some(script) = effective.access_script() else {
        return Verdict::Declined;
    };
    let host = request
        .remote_host()
        .or(request.remote_addr())
        .unwrap_or_default();
    match ask(request, &effective, script, &Question::Access { host }).0 {
        Answer::None => Verdict::Declined,
        Answer::True => Verdict::Ok,
        answer => {
            // Where a password does as well this is not the last word.
            if answer == Answer::False && !request.may_satisfy_otherwise() {
                log(
                    request,
                    level::ERROR,
                    &format!(
                        "RSGI0057: allow_access of the script '{}' does not let the client in",
                        script.script.escape_ascii()
                    ),
                );
            }
            Verdict::Status(403)
        }
    }
}

/// The script for users, which a provider that is asked needs; `id` is that of the line that says there is none.
fn user_script<'r>(request: Request<'r>, id: &str) -> Option<(Effective<'r>, &'r AskedScript)> {
    let effective = settings(request)?;
    let script = effective.auth_user_script();
    if script.is_none() {
        let line = format!(
            "{id}: the provider `wsgi` is asked for a user, and there is no WSGIAuthUserScript here"
        );
        log(request, level::ERROR, &line);
    }
    Some((effective, script?))
}

/// Whether a password is a user's. The script may give the user another name.
pub(super) fn check_password(request: Request<'_>, user: &[u8], password: &[u8]) -> Checked {
    let Some((effective, script)) = user_script(request, "RSGI0041") else {
        return Checked::Failed;
    };
    let question = Question::Password { user, password };
    let (answer, texts) = ask(request, &effective, script, &question);
    match answer {
        Answer::None => Checked::Unknown,
        Answer::True => Checked::Granted,
        Answer::False => Checked::Denied,
        Answer::Texts => match (request.pool(), texts.first()) {
            (Some(pool), Some((_, name))) => {
                request.set_user(pool.copy_c(name));
                Checked::Granted
            }
            _ => Checked::Failed,
        },
        Answer::Failed | Answer::NotLoaded => Checked::Failed,
    }
}

/// The hash of a user's password.
pub(super) fn realm_hash<'r>(request: Request<'r>, user: &[u8], realm: &[u8]) -> RealmHash<'r> {
    let Some((effective, script)) = user_script(request, "RSGI0044") else {
        return RealmHash::Failed;
    };
    let question = Question::RealmHash { user, realm };
    let (answer, texts) = ask(request, &effective, script, &question);
    match (answer, request.pool(), texts.first()) {
        (Answer::None, ..) => RealmHash::Unknown,
        (Answer::Texts, Some(pool), Some((_, hash))) => RealmHash::Found(pool.copy_c(hash)),
        _ => RealmHash::Failed,
    }
}

/// Whether the user has one of the groups that a line names; case makes no difference.
pub(super) fn authorize(request: Request<'_>, line: &[u8]) -> Authorized {
    let Some(user) = request.user() else {
        return Authorized::NoUser;
    };
    let Some(effective) = settings(request) else {
        return Authorized::Denied;
    };
    let Some(script) = effective.auth_group_script() else {
        let line = "RSGI0058: `Require wsgi-group` asks for a user's groups, and there is no WSGIAuthGroupScript here";
        log(request, level::ERROR, line);
        return Authorized::Denied;
    };
    let (answer, groups) = ask(request, &effective, script, &Question::Groups { user });
    let has = |wanted: &[u8]| {
        groups
            .iter()
            .any(|(_, group)| group.eq_ignore_ascii_case(wanted))
    };
    if answer == Answer::Texts && Words::new(line).any(|wanted| has(&wanted)) {
        Authorized::Granted
    } else {
        Authorized::Denied
    }
}
