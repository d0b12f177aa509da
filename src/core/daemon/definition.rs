//! Reads the line of a `WSGIDaemonProcess`.

use super::error::DefinitionError;
use super::nearest::nearest;
use super::options::{Account, DaemonOptions};
use super::table::{self, Entry};
use super::value::Refused;
use crate::directive::Shown;
use crate::group::GroupName;
use crate::words::{PairError, Words};

type Result<T> = std::result::Result<T, DefinitionError>;

/// The directive's name.
pub const DIRECTIVE: &str = "WSGIDaemonProcess";

/// The value of `display-name=` that names the group.
const NAME_OF_GROUP: &[u8] = b"%{GROUP}";

/// A process group as the configuration defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDefinition {
    /// Its name, unique in the whole of httpd.
    pub name: Vec<u8>,
    /// Its options.
    pub options: DaemonOptions,
}

impl GroupDefinition {
    /// Reads `name option=value ...`; a later option replaces an earlier one of its name.
    ///
    /// # Errors
    /// The line means nothing; the error's text is for the administrator.
    pub fn parse(line: &[u8]) -> Result<Self> {
        let mut words = Words::new(line);
        let name = words
            .next()
            .filter(|name| !name.is_empty())
            .ok_or(DefinitionError::NoName)?;
        check_name(&name)?;
        let mut options = DaemonOptions::default();
        while let Some(pair) = words.next_pair() {
            let pair = pair.map_err(|error| {
                let (PairError::NoValue(word) | PairError::NoKey(word) | PairError::Blank(word)) =
                    error;
                DefinitionError::NoOption {
                    group: Shown::new(&name),
                    word: Shown::new(word),
                }
            })?;
            take(&mut options, &name, pair.key, &pair.value)?;
        }
        if options.script_user.is_some() && options.script_group.is_some() {
            return Err(DefinitionError::ScriptUserAndGroup(Shown::new(&name)));
        }
        if options.display_name.as_deref() == Some(NAME_OF_GROUP) {
            options.display_name = Some([b"(wsgi:", name.as_ref(), b")"].concat());
        }
        Ok(Self {
            name: name.into_owned(),
            options,
        })
    }
}

fn check_name(name: &[u8]) -> Result<()> {
    let key = name.split(|&byte| byte == b'=').next().unwrap_or_default();
    if key.len() < name.len() && table::find(key).is_some() {
        return Err(DefinitionError::OptionForName(Shown::new(name)));
    }
    // No request could ever ask for it.
    match GroupName::parse(name) {
        GroupName::Literal(_) => Ok(()),
        _ => Err(DefinitionError::NameIsForm(Shown::new(name))),
    }
}

/// Takes one option in.
fn take(options: &mut DaemonOptions, name: &[u8], key: &[u8], value: &[u8]) -> Result<()> {
    let group = || Shown::new(name);
    let Some(Entry { option, rule, .. }) = table::find(key) else {
        return Err(DefinitionError::Unknown {
            group: group(),
            option: Shown::new(key),
            hint: nearest(key).map_or_else(String::new, |near| format!("; is `{near}` meant?")),
        });
    };
    match rule.apply(options, value) {
        Ok(()) if *option == "user" && options.user == Some(Account::Id(0)) => {
            Err(DefinitionError::Root {
                group: group(),
                value: Shown::new(value),
            })
        }
        Ok(()) => Ok(()),
        Err(Refused) if value.is_empty() => Err(DefinitionError::Empty {
            group: group(),
            option,
            allowed: rule.to_string(),
        }),
        Err(Refused) => Err(DefinitionError::Value {
            group: group(),
            option,
            allowed: rule.to_string(),
            value: Shown::new(value),
            hint: rule.hint(option, value),
        }),
    }
}
