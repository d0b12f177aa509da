//! The process groups of the configuration: who defines which, whether they can be had, and which one a request gets.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rsgi_bridge::layer::{check_layer_for, layer_path};
use rsgi_bridge::locate::Found;
use rsgi_core::alias::Import;
use rsgi_core::daemon::{GroupDefinition, Host, may_use};
use rsgi_core::directive::{Kind, Shown};
use rsgi_core::options::Effective;
use rsgi_daemon::accounts::{self, Accounts, WebUser};
use rsgi_daemon::python;

use super::Rsgi;
use super::directives::ServerConfig;
use crate::httpd::{Refused, Server, web_identity};

/// Where a directive stands.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Which directive.
    kind: Kind,
    /// Its file and line.
    line: String,
    /// Larger than that of every directive read before.
    order: u64,
}

/// A value and the directive it comes from.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// The order in which directives are read. Only comparisons matter, so it goes on across configurations.
static ORDER: AtomicU64 = AtomicU64::new(0);

impl Place {
    /// The place of a directive that is being read.
    pub(super) fn new(kind: Kind, line: String) -> Self {
        Self {
            kind,
            line,
            order: ORDER.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.name())?;
        if self.line.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.line)
    }
}

/// A `WSGIDaemonProcess`.
#[derive(Debug)]
pub(super) struct Group {
    /// What it says.
    pub(super) definition: GroupDefinition,
    place: Place,
    resolved: OnceLock<Resolved>,
}

/// What a definition comes to on this system.
#[derive(Debug)]
pub(super) struct Resolved {
    /// Its users and groups.
    pub(super) accounts: Accounts,
    /// Its Python.
    pub(super) python: Found,
    owner: Owner,
}

/// The server that defines a group.
#[derive(Debug)]
struct Owner {
    id: usize,
    is_virtual: bool,
    name: Option<Vec<u8>>,
}

impl Group {
    /// A definition as it was read.
    pub(super) fn new(definition: GroupDefinition, place: Place) -> Self {
        Self {
            definition,
            place,
            resolved: OnceLock::new(),
        }
    }

    /// What it comes to; there once the configuration was checked.
    pub(super) fn resolved(&self) -> Option<&Resolved> {
        self.resolved.get()
    }

    fn shown(&self) -> Shown {
        Shown::new(&self.definition.name)
    }
}

impl Resolved {
    /// The server that defines the group: where it logs.
    pub(super) fn server<'s>(&self, main: Server<'s>) -> Option<Server<'s>> {
        main.all().find(|server| server.id() == self.owner.id)
    }

    fn host(&self) -> Host<'_> {
        Host {
            id: self.owner.id,
            is_virtual: self.owner.is_virtual,
            name: self.owner.name.as_deref(),
        }
    }
}

/// The groups of the whole of httpd, by name.
pub(super) type KnownGroups = BTreeMap<Vec<u8>, Arc<Group>>;

/// The configurations, each with the server it is of.
///
/// httpd: a virtual host without any directive of ours has the main server's, which is not to be looked at again.
fn configs<'s>(main: Server<'s>) -> impl Iterator<Item = (Server<'s>, &'s ServerConfig)> {
    let shared = main.config::<Rsgi>().map(std::ptr::from_ref);
    main.all()
        .filter_map(|server| server.config::<Rsgi>().map(|config| (server, config)))
        .filter(move |(server, config)| {
            !server.is_virtual() || shared != Some(std::ptr::from_ref(*config))
        })
}

fn host(server: Server<'_>) -> Host<'_> {
    Host {
        id: server.id(),
        is_virtual: server.is_virtual(),
        name: server.name(),
    }
}

/// Checks every group and everything that needs one before any request; the groups are then known.
///
/// # Errors
/// The configuration is refused, the reason logged.
pub(super) fn check(main: Server<'_>, config: &ServerConfig) -> Result<(), Refused> {
    let mut known = KnownGroups::new();
    for (server, owner) in configs(main) {
        for group in &owner.groups {
            resolve(group, server, config).map_err(|sentence| Refused::because(&sentence))?;
            add(&mut known, group).map_err(|sentence| Refused::because(&sentence))?;
        }
    }
    for (server, user) in configs(main) {
        for import in &user.imports {
            check_import(&known, server, import).map_err(|sentence| Refused::because(&sentence))?;
        }
    }
    let _ = config.known.set(known);
    Ok(())
}

fn add(known: &mut KnownGroups, group: &Arc<Group>) -> Result<(), String> {
    match known.entry(group.definition.name.clone()) {
        Entry::Vacant(free) => {
            free.insert(group.clone());
            Ok(())
        }
        Entry::Occupied(taken) => {
            let mut places = [&taken.get().place, &group.place];
            places.sort_by_key(|place| place.order);
            let [first, second] = places;
            Err(format!(
                "RSGI0480: {second}: the process group {} is defined already by {first}: names are unique in the \
                 whole of httpd, virtual hosts included; choose another, or leave one of the two out",
                group.shown()
            ))
        }
    }
}

/// Finds the users and the Python of a group.
fn resolve(group: &Group, server: Server<'_>, main: &ServerConfig) -> Result<(), String> {
    let sentence = |id: &str, reason: &dyn std::fmt::Display| {
        format!("{id}: {} {}: {reason}", group.place, group.shown())
    };
    let web = web_identity().map(|web| WebUser {
        user: web.user,
        group: web.group,
    });
    check_locale(group).map_err(|error| sentence("RSGI0484", &error))?;
    let accounts = accounts::resolve(&group.definition, web, &accounts::System)
        .map_err(|error| sentence("RSGI0483", &error))?;
    let identity = accounts.identity.as_ref();
    let home = main.global.python_home.as_deref();
    let python = python::find(&group.definition, home, identity)
        .and_then(|found| {
            if let Some(layer) = layer_path(&found) {
                python::check_layer(&group.definition, &layer, identity)?;
            }
            Ok(found)
        })
        .map_err(|error| {
            let id = if error.is_access() {
                "RSGI0102"
            } else {
                "RSGI0100"
            };
            sentence(id, &error)
        })?;
    check_layer_for(&python).map_err(|error| sentence("RSGI0100", &error))?;
    let _ = group.resolved.set(Resolved {
        accounts,
        python,
        owner: Owner {
            id: server.id(),
            is_virtual: server.is_virtual(),
            name: server.name().map(<[u8]>::to_vec),
        },
    });
    Ok(())
}

/// Whether the system has the group's locale; what is inside of a chroot is not seen from here.
fn check_locale(group: &Group) -> Result<(), String> {
    let options = &group.definition.options;
    match &options.locale {
        Some(name) if options.chroot.is_none() && !accounts::has_locale(name) => Err(format!(
            "locale={} is no locale of this system: name one that `locale -a` lists, or install it",
            Shown::new(name)
        )),
        _ => Ok(()),
    }
}

/// Whether the group of a script that is loaded ahead of requests is there for it.
fn check_import(
    known: &KnownGroups,
    server: Server<'_>,
    import: &Placed<Import>,
) -> Result<(), String> {
    let Placed { value, place } = import;
    if value.process_group.is_empty() {
        return Ok(());
    }
    let name = Shown::new(&value.process_group);
    let group = known
        .get(&*value.process_group)
        .filter(|group| group.place.order < place.order)
        .ok_or_else(|| {
            format!(
                "RSGI0481: {place}: process-group={name} is not defined before this line: the script is loaded when \
                 processes start, so WSGIDaemonProcess {name} has to stand above it"
            )
        })?;
    let owner = group.resolved().map(Resolved::host);
    match owner.map(|owner| may_use(owner, host(server))) {
        None | Some(Ok(())) => Ok(()),
        Some(Err(reason)) => Err(format!("RSGI0482: {place}: process-group={name} {reason}")),
    }
}

/// Where a request runs.
#[derive(Clone, Copy)]
pub(super) enum Destination<'s> {
    /// In this Apache child.
    Embedded,
    /// In a process of that group.
    Group(&'s Arc<Group>),
}

/// Where a request of `server` runs whose process group expands to `name`.
///
/// # Errors
/// It may not run there, or there is no such group: a 500 with this line.
pub(super) fn choose<'s>(
    server: Server<'s>,
    effective: &Effective<'_>,
    name: &[u8],
) -> Result<Destination<'s>, String> {
    let shown = || Shown::new(if name.is_empty() { b"%{GLOBAL}" } else { name });
    if !effective.allows_process_group(name) {
        return Err(format!(
            "RSGI0149: the process group {} may not be used here: add it to WSGIRestrictProcess, or choose one that \
             is listed there with WSGIProcessGroup",
            shown()
        ));
    }
    let main = server
        .main()
        .config::<Rsgi>()
        .ok_or("RSGI0301: the module has no configuration")?;
    if name.is_empty() {
        return match main.global.restrict_embedded {
            Some(true) => Err(
                "RSGI0143: WSGIRestrictEmbedded is On, and the request has no process group: name one with \
                 WSGIProcessGroup or process-group="
                    .to_owned(),
            ),
            _ => Ok(Destination::Embedded),
        };
    }
    let group = main
        .known
        .get()
        .and_then(|known| known.get(name))
        .ok_or_else(|| {
            format!(
                "RSGI0150: there is no process group {}: define it with WSGIDaemonProcess, or correct the name",
                shown()
            )
        })?;
    match group
        .resolved()
        .map(|resolved| may_use(resolved.host(), host(server)))
    {
        None | Some(Ok(())) if group.definition.options.threads == 0 => Err(format!(
            "RSGI0485: the process group {} is a service: with threads=0 it takes no requests; give it threads, or \
             choose another group",
            shown()
        )),
        None | Some(Ok(())) => Ok(Destination::Group(group)),
        Some(Err(reason)) => Err(format!("RSGI0152: the process group {} {reason}", shown())),
    }
}

/// Whether Apache's children need Python before any request.
pub(super) fn children_need_python(main: Server<'_>) -> bool {
    let has_imports = configs(main)
        .flat_map(|(_, config)| &config.imports)
        .any(|import| import.value.process_group.is_empty());
    let has_asked = configs(main).any(|(_, config)| config.options.asks_scripts);
    if has_imports || has_asked {
        return true;
    }
    let restricted = main
        .config::<Rsgi>()
        .and_then(|config| config.global.restrict_embedded);
    match restricted {
        Some(is_restricted) => !is_restricted,
        None => configs(main).any(|(_, config)| config.options.runs_embedded()),
    }
}

/// The scripts of all servers that are loaded when a process of the group `name` starts, in the order of the
/// configuration; the empty name is that of Apache's children.
pub(super) fn imports<'s>(main: Server<'s>, name: &[u8]) -> Vec<&'s Import> {
    let mut imports: Vec<&Placed<Import>> = configs(main)
        .flat_map(|(_, config)| &config.imports)
        .filter(|import| *import.value.process_group == *name)
        .collect();
    imports.sort_by_key(|import| import.place.order);
    imports.into_iter().map(|import| &import.value).collect()
}
