//! `<WSGIInterpreterOptions>`: which interpreters it is for, and what may stand in it.

use super::Kind;
use super::error::{DirectiveError, Shown};
use super::parse::Result;
use crate::group::GroupName;
use crate::options::InterpreterRule;
use crate::words::Words;

const KIND: Kind = Kind::InterpreterOptions;
const PROCESS_GROUP: &str = "process-group";
const APPLICATION_GROUP: &str = "application-group";
const ALLOWED: &str = "process-group= and application-group=";

/// The opening line, without `<WSGIInterpreterOptions` but with its `>`.
pub(super) fn section(line: &[u8]) -> Result<InterpreterRule> {
    let directive = KIND.name();
    let Some(line) = line.trim_ascii_end().strip_suffix(b">") else {
        return Err(DirectiveError::Unclosed {
            directive,
            usage: KIND.spec().usage.to_str().unwrap_or_default(),
        });
    };
    let mut rule = InterpreterRule::default();
    let mut words = Words::new(line);
    while let Some(pair) = words.next_pair() {
        let pair = pair.map_err(|error| DirectiveError::no_option(directive, error, ALLOWED))?;
        let is = |name: &str| pair.key.eq_ignore_ascii_case(name.as_bytes());
        let (option, place) = if is(PROCESS_GROUP) {
            (PROCESS_GROUP, &mut rule.process_group)
        } else if is(APPLICATION_GROUP) {
            (APPLICATION_GROUP, &mut rule.application_group)
        } else {
            return Err(DirectiveError::UnknownOption {
                directive,
                option: Shown::new(pair.key),
                allowed: ALLOWED,
            });
        };
        if pair.value.is_empty() {
            return Err(DirectiveError::EmptyOption { directive, option });
        }
        let name = match GroupName::parse(&pair.value) {
            GroupName::Global => Vec::new(),
            // mod_wsgi: nothing else is expanded here.
            _ => pair.value.to_vec(),
        };
        if place.replace(name).is_some() {
            return Err(DirectiveError::Twice { directive, option });
        }
    }
    Ok(rule)
}

/// Whether a directive of that name may stand in the section.
///
/// mod_wsgi: takes everything else as if it stood outside of it.
///
/// # Errors
/// It may not; the text says what may.
pub fn check_content(name: &[u8]) -> Result<()> {
    if Kind::named(name).is_some_and(Kind::is_for_interpreters) {
        return Ok(());
    }
    Err(DirectiveError::Content {
        directive: KIND.name(),
        allowed: "WSGIPerInterpreterGIL, WSGIFreeThreading, WSGISwitchInterval, WSGIPythonPath, WSGIRestrictStdin, \
                  WSGIRestrictStdout and WSGIRestrictSignal",
        value: Shown::new(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directive::{DIRECTIVES, Directive, parse};
    use crate::options::GlobalOptions;

    fn refuse(line: &str) -> String {
        section(line.as_bytes()).unwrap_err().to_string()
    }

    /// Reads lines as httpd gives them; `<` and `</` begin and end a section.
    fn read(lines: &[(&str, &str)]) -> GlobalOptions {
        let mut options = GlobalOptions::default();
        for (name, arguments) in lines {
            if *name == "end" {
                options.interpreters.close();
                continue;
            }
            let kind = Kind::named(name.as_bytes()).unwrap();
            match parse(kind, arguments.as_bytes()).unwrap() {
                Directive::Interpreters(rule) => options.interpreters.open(rule),
                Directive::Global(setting) => options.apply(setting),
                other => panic!("{other:?}"),
            }
        }
        options
    }

    #[test]
    fn a_section_names_a_process_group_an_application_group_both_or_none() {
        assert_eq!(section(b">").unwrap(), InterpreterRule::default());
        let both = section(b" Process-Group=%{GLOBAL} APPLICATION-GROUP='a b' >").unwrap();
        assert_eq!(both.process_group.as_deref(), Some(&b""[..]));
        assert_eq!(both.application_group.as_deref(), Some(&b"a b"[..]));
        let literal = section(b"application-group=%{SERVER}>").unwrap();
        assert_eq!(
            literal.application_group.as_deref(),
            Some(&b"%{SERVER}"[..])
        );
    }

    #[test]
    fn what_a_section_cannot_be_for_is_refused() {
        assert!(refuse("process-group=a").contains("has no `>` at the end"));
        assert!(refuse(" a>").contains("`a` is no option"));
        assert!(
            refuse(" server=a>")
                .contains("has no option `server`; it has process-group= and application-group=")
        );
        assert!(
            refuse(" process-group=a process-group=b>").contains("process-group is given twice")
        );
        assert!(refuse(" process-group=''>").contains("process-group has no value"));
    }

    #[test]
    fn only_seven_directives_may_stand_in_it() {
        let allowed = DIRECTIVES
            .iter()
            .filter(|spec| check_content(spec.name.to_bytes()).is_ok());
        assert_eq!(allowed.count(), 7);
        check_content(b"wsgiperinterpretergil").unwrap();
        let error = check_content(b"WSGIPythonHome").unwrap_err().to_string();
        assert!(error.contains("WSGIRestrictSignal, not `WSGIPythonHome`"));
        check_content(b"Timeout").unwrap_err();
        check_content(b"<WSGIInterpreterOptions").unwrap_err();
    }

    #[test]
    fn what_stands_in_a_section_holds_only_where_it_fits_and_the_most_precise_wins() {
        let options = read(&[
            ("WSGIPerInterpreterGIL", "Off"),
            (
                "<WSGIInterpreterOptions",
                " application-group=a process-group=g>",
            ),
            ("WSGISwitchInterval", "0.002"),
            ("end", ""),
            ("<WSGIInterpreterOptions", " process-group=g>"),
            ("WSGIPerInterpreterGIL", "On"),
            ("WSGIFreeThreading", "On"),
            ("WSGIPythonPath", "/g1"),
            ("WSGIPythonPath", "/g2:/g3"),
            ("end", ""),
            ("<WSGIInterpreterOptions", ">"),
            ("WSGIRestrictStdin", "On"),
            ("end", ""),
            ("<WSGIInterpreterOptions", " process-group=%{GLOBAL}>"),
            ("WSGIRestrictStdout", "On"),
            ("end", ""),
            ("WSGIRestrictSignal", "Off"),
        ]);
        assert!(!options.per_interpreter_gil && !options.free_threading);
        assert!(!options.restrict_stdin && !options.restrict_stdout && !options.restrict_signal);
        assert!(options.python_path.is_empty() && options.switch_interval.is_none());
        let group = options.interpreters.for_process(b"g");
        assert_eq!(group.len(), 3);
        assert_eq!(group[0].restrict_stdin, Some(true));
        assert_eq!(group[1].own_gil, Some(true));
        assert_eq!(group[1].python_path, [b"/g1", b"/g2", b"/g3"]);
        assert_eq!(group[2].switch_interval, Some(2_000_000));
        assert_eq!(group[2].application_group.as_deref(), Some(&b"a"[..]));
        let children = options.interpreters.for_process(b"");
        assert_eq!(children.len(), 2);
        assert_eq!(children[1].restrict_stdout, Some(true));
        assert!(options.interpreters.free_threading(b"g", false));
        assert!(!options.interpreters.free_threading(b"", false));
        assert!(options.interpreters.free_threading(b"", true));
        assert!(!options.interpreters.has_vain_free_threading());
    }

    #[test]
    fn free_threading_is_for_a_process_not_for_an_application_group() {
        let options = read(&[
            ("<WSGIInterpreterOptions", " application-group=a>"),
            ("WSGIFreeThreading", "On"),
            ("end", ""),
        ]);
        assert!(options.interpreters.has_vain_free_threading());
        assert!(!options.interpreters.free_threading(b"", false));
    }
}
