//! Why a `WSGIDaemonProcess` is refused, each in one line with the group, the option, the value and the cure.

use thiserror::Error;

use crate::directive::Shown;

/// Why a definition is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the fields are named in the texts")]
pub enum DefinitionError {
    /// There is no name.
    #[error(
        "WSGIDaemonProcess needs the name of a process group, then its options as option=value"
    )]
    NoName,
    /// What should be the name is an option.
    #[error("WSGIDaemonProcess needs the name of a process group before {0}")]
    OptionForName(Shown),
    /// The name stands for others.
    #[error(
        "WSGIDaemonProcess cannot define {0}: that stands for names which depend on the request; \
         write the name itself"
    )]
    NameIsForm(Shown),
    /// A word is no option.
    #[error(
        "WSGIDaemonProcess {group}: {word} is no option; options are written option=value without blanks"
    )]
    NoOption { group: Shown, word: Shown },
    /// No such option.
    #[error("WSGIDaemonProcess {group} has no option {option}{hint}")]
    Unknown {
        group: Shown,
        option: Shown,
        hint: String,
    },
    /// An option without a value.
    #[error("WSGIDaemonProcess {group}: the option {option} has no value; it takes {allowed}")]
    Empty {
        group: Shown,
        option: &'static str,
        allowed: String,
    },
    /// A value that the option does not take.
    #[error("WSGIDaemonProcess {group}: {option}= takes {allowed}, not {value}{hint}")]
    Value {
        group: Shown,
        option: &'static str,
        allowed: String,
        value: Shown,
        hint: String,
    },
    /// User id 0.
    #[error(
        "WSGIDaemonProcess {group}: user={value} is blocked from running applications, it is root; \
         name a user without privileges"
    )]
    Root { group: Shown, value: Shown },
    /// Two options of which only one may be there.
    #[error(
        "WSGIDaemonProcess {0}: script-user= and script-group= exclude each other; keep the one that owns the scripts"
    )]
    ScriptUserAndGroup(Shown),
}
