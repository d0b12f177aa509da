//! What an option takes: from the bytes of a value to a field of the options, and the words for it.

use std::fmt;

use super::options::{Account, DaemonOptions};

/// The value is none that the option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

type Result<T> = std::result::Result<T, Refused>;

/// A field of the options.
type Field<T> = fn(&mut DaemonOptions) -> &mut T;

/// Largest number where nothing else bounds it: what fits a signed integer of mod_wsgi's.
pub(super) const LARGEST: u64 = i32::MAX as u64;
/// Largest size in bytes.
pub(super) const LARGEST_SIZE: u64 = i64::MAX as u64;

/// Numbers that an option takes, and where they go.
#[derive(Clone, Copy)]
pub(super) struct Number {
    /// What is counted.
    pub(super) unit: &'static str,
    /// Whether 0 is taken besides.
    pub(super) or_zero: bool,
    /// The smallest.
    pub(super) lowest: u64,
    /// The largest.
    pub(super) largest: u64,
    /// Takes it in.
    pub(super) set: fn(&mut DaemonOptions, u64),
}

/// What an option takes.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// Any text; none is nothing.
    Text(Field<Option<Vec<u8>>>),
    /// Any text, none included.
    Locale(Field<Option<Vec<u8>>>),
    /// An absolute path.
    Path(Field<Option<Vec<u8>>>),
    /// Folders with colons between.
    Folders(Field<Vec<Vec<u8>>>),
    /// A user.
    User(Field<Option<Account>>),
    /// A group of users.
    Group(Field<Option<Account>>),
    /// Groups of users with commas between.
    Groups(Field<Option<Vec<Account>>>),
    /// A whole number.
    Number(Number),
    /// A number of either sign.
    Signed(Field<i32>),
    /// A file mode's mask.
    Umask(Field<Option<u32>>),
    /// Seconds with a fraction, kept in nanoseconds.
    Interval(Field<Option<u64>>),
    /// On or Off.
    Flag(Field<bool>),
}

impl Rule {
    /// Takes a value in.
    pub(super) fn apply(&self, options: &mut DaemonOptions, value: &[u8]) -> Result<()> {
        match self {
            Self::Text(field) => *field(options) = filled(value).ok(),
            Self::Locale(field) => *field(options) = Some(value.to_vec()),
            Self::Path(field) if value.starts_with(b"/") => *field(options) = Some(value.to_vec()),
            Self::Path(_) => return Err(Refused),
            Self::Folders(field) => {
                *field(options) = value
                    .split(|&byte| byte == b':')
                    .filter(|folder| !folder.is_empty())
                    .map(<[u8]>::to_vec)
                    .collect();
            }
            Self::User(field) | Self::Group(field) => *field(options) = Some(account(value)?),
            Self::Groups(field) => *field(options) = Some(accounts(value)?),
            Self::Number(number) => (number.set)(options, number.read(value)?),
            Self::Signed(field) => *field(options) = parse(value)?,
            Self::Umask(field) => *field(options) = Some(umask(value)?),
            Self::Interval(field) => *field(options) = Some(nanoseconds(value)?),
            Self::Flag(field) => *field(options) = on_off(value)?,
        }
        Ok(())
    }

    /// What to write in place of a number with something behind it, which mod_wsgi left out.
    pub(super) fn hint(&self, option: &str, value: &[u8]) -> String {
        let digits = value
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let Self::Number(number) = self else {
            return String::new();
        };
        if let Some(bytes) = number.bytes(&value[..digits], &value[digits..]) {
            return format!(
                "; write {option}={bytes} if {} is meant, of which mod_wsgi reads the digits only",
                String::from_utf8_lossy(value)
            );
        }
        match number.read(&value[..digits]) {
            Ok(number) if digits < value.len() => {
                format!(
                    "; mod_wsgi reads that as {number}: write {option}={number} if that is meant"
                )
            }
            _ => String::new(),
        }
    }
}

/// The words for it, behind "takes".
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text(_) | Self::Locale(_) => "a text",
            Self::Path(_) => "a path that starts with `/`",
            Self::Folders(_) => "folders with colons between",
            Self::User(_) => "the name of a user, or `#` and its number",
            Self::Group(_) => "the name of a group, or `#` and its number",
            Self::Groups(_) => "groups with commas between, each a name or `#` and a number",
            Self::Number(number) => return number.fmt(f),
            Self::Signed(_) => "a whole number",
            Self::Umask(_) => "an octal number from 0 to 7777, such as 022",
            Self::Interval(_) => "seconds, more than 0, such as 0.005",
            Self::Flag(_) => "On or Off",
        })
    }
}

impl Number {
    /// The bytes that are meant by a number and a unit such as `512M`, where bytes are counted and so many are taken.
    fn bytes(&self, digits: &[u8], unit: &[u8]) -> Option<u64> {
        let shift = match unit.to_ascii_lowercase().as_slice() {
            b"k" | b"kb" | b"kib" => 10,
            b"m" | b"mb" | b"mib" => 20,
            b"g" | b"gb" | b"gib" => 30,
            _ => return None,
        };
        let count: u64 = parse(digits).ok()?;
        let bytes = count.checked_mul(1 << shift)?;
        let is_taken =
            self.unit.contains("bytes") && self.read(bytes.to_string().as_bytes()).is_ok();
        is_taken.then_some(bytes)
    }

    fn read(&self, value: &[u8]) -> Result<u64> {
        if !value.iter().all(u8::is_ascii_digit) {
            return Err(Refused);
        }
        let number = parse(value)?;
        let fits = (self.lowest..=self.largest).contains(&number) || (self.or_zero && number == 0);
        if fits { Ok(number) } else { Err(Refused) }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zero = if self.or_zero { "0 or " } else { "" };
        write!(f, "{zero}a whole number{} ", self.unit)?;
        match self.largest {
            LARGEST_SIZE => write!(f, "of at least {}", self.lowest),
            largest => write!(f, "from {} to {largest}", self.lowest),
        }
    }
}

fn filled(value: &[u8]) -> Result<Vec<u8>> {
    if value.is_empty() {
        return Err(Refused);
    }
    Ok(value.to_vec())
}

fn parse<T: std::str::FromStr>(value: &[u8]) -> Result<T> {
    let text = std::str::from_utf8(value).map_err(|_| Refused)?;
    text.parse().map_err(|_| Refused)
}

fn account(value: &[u8]) -> Result<Account> {
    match value.strip_prefix(b"#") {
        None => filled(value).map(Account::Name),
        // The largest number means "leave it as it is" to the kernel.
        Some(digits) if digits.iter().all(u8::is_ascii_digit) => match parse(digits)? {
            u32::MAX => Err(Refused),
            id => Ok(Account::Id(id)),
        },
        Some(_) => Err(Refused),
    }
}

/// None is the primary group alone.
fn accounts(value: &[u8]) -> Result<Vec<Account>> {
    if value.is_empty() {
        return Ok(Vec::new());
    }
    value.split(|&byte| byte == b',').map(account).collect()
}

fn umask(value: &[u8]) -> Result<u32> {
    let is_octal = value.iter().all(|byte| matches!(byte, b'0'..=b'7'));
    let text = std::str::from_utf8(value).map_err(|_| Refused)?;
    let mask = u32::from_str_radix(text, 8).map_err(|_| Refused)?;
    if is_octal && mask <= 0o7777 {
        Ok(mask)
    } else {
        Err(Refused)
    }
}

/// The longest interval, an hour: beyond, threads never change.
const LONGEST: f64 = 3_600.0;

pub(super) fn nanoseconds(value: &[u8]) -> Result<u64> {
    let seconds: f64 = parse(value)?;
    if !(seconds > 0.0 && seconds <= LONGEST) {
        return Err(Refused);
    }
    let time = std::time::Duration::from_secs_f64(seconds);
    u64::try_from(time.as_nanos())
        .map(|nanoseconds| nanoseconds.max(1))
        .map_err(|_| Refused)
}

fn on_off(value: &[u8]) -> Result<bool> {
    if value.eq_ignore_ascii_case(b"on") {
        Ok(true)
    } else if value.eq_ignore_ascii_case(b"off") {
        Ok(false)
    } else {
        Err(Refused)
    }
}
