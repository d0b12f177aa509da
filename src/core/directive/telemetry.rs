//! Arguments of the directives of telemetry.

use super::Kind;
use super::error::{DirectiveError, Shown};
use super::parse::{Result, next, value};
use crate::daemon::nanoseconds;
use crate::options::GlobalSetting;
use crate::telemetry::{SHORTEST_INTERVAL, USUAL_INTERVAL};
use crate::words::Words;

/// The only flag of `WSGITelemetryOptions`.
const FLAG: &[u8] = b"CaptureUserAgent";

/// `unix:/path [interval=SECONDS]`
pub(super) fn service(kind: Kind, line: &[u8]) -> Result<GlobalSetting> {
    let mut words = Words::new(line);
    let target = next(kind, &mut words, "the socket of a service")?;
    let socket = target
        .strip_prefix(b"unix:")
        .filter(|path| path.starts_with(b"/"))
        .ok_or_else(|| value(kind, "`unix:` and the path of a socket", &target))?;
    let mut interval = USUAL_INTERVAL;
    for word in words {
        let seconds = word
            .strip_prefix(b"interval=")
            .ok_or_else(|| DirectiveError::NoOption {
                directive: kind.name(),
                word: Shown::new(&word),
                allowed: "interval=",
            })?;
        interval = nanoseconds(seconds)
            .filter(|&nanoseconds| nanoseconds >= SHORTEST_INTERVAL)
            .ok_or_else(|| DirectiveError::OptionValue {
                directive: kind.name(),
                option: "interval",
                allowed: "a number of seconds from 0.5 on",
                value: Shown::new(seconds),
            })?;
    }
    Ok(GlobalSetting::TelemetryService {
        socket: socket.into(),
        interval,
    })
}

/// Seconds; 0 switches it off.
pub(super) fn slow_requests(kind: Kind, word: &[u8]) -> Result<GlobalSetting> {
    let number = std::str::from_utf8(word)
        .ok()
        .and_then(|word| word.parse().ok());
    let is_zero = number == Some(0.0_f64);
    let seconds = if is_zero { Some(0) } else { nanoseconds(word) };
    seconds
        .map(GlobalSetting::SlowRequests)
        .ok_or_else(|| value(kind, "a number of seconds, or 0 for none", word))
}

/// `[+|-]Flag …`, `None` or `All`. The only flag there is makes it one switch.
pub(super) fn options(kind: Kind, line: &[u8]) -> Result<GlobalSetting> {
    let mut words = Words::new(line);
    let first = next(kind, &mut words, "CaptureUserAgent, None or All")?.into_owned();
    let is_signed = |word: &[u8]| matches!(word.first(), Some(b'+' | b'-'));
    let form = is_signed(&first);
    let mut is_on = false;
    let rest: Vec<Vec<u8>> = words.map(std::borrow::Cow::into_owned).collect();
    for word in std::iter::once(&first).chain(&rest) {
        let refused = |allowed| value(kind, allowed, word);
        if is_signed(word) != form {
            return Err(refused("flags that all have a sign, or none that has"));
        }
        let name = if form { &word[1..] } else { word };
        is_on = match name {
            name if name.eq_ignore_ascii_case(FLAG) => word.first() != Some(&b'-'),
            name if !form && name.eq_ignore_ascii_case(b"None") => false,
            name if !form && name.eq_ignore_ascii_case(b"All") => true,
            _ => {
                return Err(refused(
                    "CaptureUserAgent, +CaptureUserAgent, -CaptureUserAgent, None or All",
                ));
            }
        };
    }
    Ok(GlobalSetting::CaptureUserAgent(is_on))
}
