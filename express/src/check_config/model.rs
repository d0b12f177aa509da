//! What a configuration says about applications: process groups, and for each alias where its requests run.

use std::path::Path;
use std::rc::Rc;

use rsgi_core::alias::Pattern;
use rsgi_core::daemon::GroupDefinition;
use rsgi_core::directive::{Arguments, Directive, DirectiveError, Kind, parse};
use rsgi_core::group::GroupName;
use rsgi_core::options::Setting;

use super::line::{Line, Section, lies_below, words};

/// A configuration, understood.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) lines: Vec<Line>,
    pub(super) groups: Vec<Group>,
    pub(super) applications: Vec<Application>,
}

/// A process group.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) definition: GroupDefinition,
    /// The options that its line has.
    pub(super) given: Vec<String>,
    pub(super) line: Line,
}

/// An alias, or a section whose handler runs scripts.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) line: Line,
    /// The URL path, or the expression.
    pub(super) url: String,
    /// The script, or the folder of scripts.
    pub(super) target: String,
    pub(super) process_group: GroupName,
    pub(super) application_group: GroupName,
}

/// The directive of that name.
pub(super) fn kind(name: &str) -> Option<Kind> {
    Kind::named(name.as_bytes())
}

/// What a line's arguments mean, as the module reads them.
pub(super) fn meaning(line: &Line) -> Option<Result<Directive, DirectiveError>> {
    let kind = kind(&line.name)?;
    Some(match kind.spec().arguments {
        Arguments::Raw => parse(kind, line.arguments.as_bytes()),
        Arguments::Flag | Arguments::Take1 => parse(kind, line.word().as_bytes()),
    })
}

impl Group {
    pub(super) fn name(&self) -> String {
        String::from_utf8_lossy(&self.definition.name).into_owned()
    }

    /// Whether its line has an option.
    pub(super) fn gives(&self, option: &str) -> bool {
        self.given.iter().any(|given| given == option)
    }
}

impl Config {
    pub(super) fn new(lines: Vec<Line>) -> Self {
        let mut config = Self {
            groups: groups(&lines),
            applications: vec![],
            lines,
        };
        config.applications = config.find_applications();
        config
    }

    /// The lines of a directive.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Line> {
        self.lines.iter().filter(move |line| line.is(name))
    }

    /// The group that an application's requests go to, if it has one of that name.
    pub(super) fn group_of(&self, application: &Application) -> Option<&Group> {
        let GroupName::Literal(name) = &application.process_group else {
            return None;
        };
        self.groups
            .iter()
            .find(|group| group.definition.name == **name)
    }

    /// The applications that run in a group.
    pub(super) fn applications_of<'a>(
        &'a self,
        group: &'a Group,
    ) -> impl Iterator<Item = &'a Application> {
        self.applications.iter().filter(move |application| {
            self.group_of(application)
                .is_some_and(|own| std::ptr::eq(own, group))
        })
    }

    /// Whether a request decides where it runs, so that nothing can be said of groups that no alias names.
    pub(super) fn is_decided_by_requests(&self) -> bool {
        self.all("WSGIDispatchScript").next().is_some()
            || self.lines.iter().any(|line| {
                (line.is("WSGIProcessGroup") || line.arguments.contains("process-group="))
                    && ["%{ENV", "%{HOST", "%{SERVER", "%{RESOURCE"]
                        .iter()
                        .any(|form| line.arguments.contains(form))
            })
    }

    fn find_applications(&self) -> Vec<Application> {
        self.lines
            .iter()
            .filter_map(|line| self.alias(line).or_else(|| self.handler(line)))
            .collect()
    }

    fn alias(&self, line: &Line) -> Option<Application> {
        let (url, target, options) = match meaning(line)?.ok()? {
            Directive::Alias(alias) => {
                let (Pattern::Prefix(pattern) | Pattern::Regex(pattern)) = alias.pattern;
                (lossy(&pattern), lossy(&alias.target), alias.options)
            }
            Directive::Setting(Setting::HandlerScript(script)) => {
                (String::new(), lossy(&script.script), script.options)
            }
            _ => return None,
        };
        let process_group = options
            .process_group
            .or_else(|| self.group_set(line, "WSGIProcessGroup", &url, &target));
        let application_group = options
            .application_group
            .or_else(|| self.group_set(line, "WSGIApplicationGroup", &url, &target));
        Some(Application {
            line: line.clone(),
            url,
            target,
            process_group: process_group.unwrap_or(GroupName::Global),
            application_group: application_group.unwrap_or(GroupName::Resource),
        })
    }

    /// `SetHandler wsgi-script` and `AddHandler wsgi-script .wsgi`.
    fn handler(&self, line: &Line) -> Option<Application> {
        let is_handler = line.is("SetHandler") || line.is("AddHandler");
        if !is_handler
            || !matches!(
                line.word().as_str(),
                "wsgi-script" | "application/x-httpd-wsgi"
            )
        {
            return None;
        }
        let folder = line.sections().find(|section| section.is("Directory"));
        let target = folder.map_or_else(String::new, |section| section.path());
        let group = |name| self.group_set(line, name, "", &target);
        Some(Application {
            line: line.clone(),
            url: String::new(),
            process_group: group("WSGIProcessGroup").unwrap_or(GroupName::Global),
            application_group: group("WSGIApplicationGroup").unwrap_or(GroupName::Resource),
            target,
        })
    }

    fn group_set(&self, of: &Line, name: &str, url: &str, target: &str) -> Option<GroupName> {
        let line = self.setting(of, name, url, target)?;
        Some(GroupName::parse(line.word().as_bytes()))
    }

    /// The line that decides a setting for an application, in httpd's order: of sections those for URLs before those for
    /// files, the longer path before the shorter, then the virtual host, then the main server; of several the last.
    pub(super) fn setting(&self, of: &Line, name: &str, url: &str, target: &str) -> Option<&Line> {
        let holds = |line: &Line| {
            let host = line.host();
            let is_near =
                host.is_none_or(|host| of.host().is_some_and(|own| Rc::ptr_eq(host, own)));
            is_near
                && line
                    .sections()
                    .filter(|section| !section.is("VirtualHost"))
                    .all(|section| covers(section, url, target))
        };
        self.lines
            .iter()
            .filter(|line| line.is(name) && holds(line))
            .max_by_key(|line| (rank(line), line.host().is_some()))
    }
}

/// How late httpd merges what a line says: the kind of its section, then the length of its path and whether it is the
/// folder's own file.
fn rank(line: &Line) -> (u8, usize, bool) {
    let Some(section) = line.directory() else {
        return (0, 0, false);
    };
    match section.name.to_ascii_lowercase().as_str() {
        "directory" | "directorymatch" if section.is_expression() => (2, 0, false),
        "directory" => (1, section.components(), section.htaccess.is_some()),
        "files" | "filesmatch" => (3, 0, false),
        "location" | "locationmatch" => (4, 0, false),
        _ => (5, 0, false),
    }
}

/// Whether a section holds for a script and the URL that leads to it. What cannot be known holds.
fn covers(section: &Section, url: &str, target: &str) -> bool {
    if section.is("Directory") || section.is("DirectoryMatch") {
        section.path().is_empty() || section.holds_for(Path::new(target))
    } else if section.is("Location") || section.is("LocationMatch") {
        let path = section.path();
        path.is_empty() || lies_below(url, &path)
    } else {
        true
    }
}

fn groups(lines: &[Line]) -> Vec<Group> {
    let definition = |line: &Line| match meaning(line)?.ok()? {
        Directive::Group(definition) => Some(Group {
            definition: *definition,
            given: words(&line.arguments)
                .iter()
                .skip(1)
                .filter_map(|word| Some(word.split_once('=')?.0.to_owned()))
                .collect(),
            line: line.clone(),
        }),
        _ => None,
    };
    lines.iter().filter_map(definition).collect()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
