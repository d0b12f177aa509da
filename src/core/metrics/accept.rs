//! Which text a client wants: Prometheus' own, or OpenMetrics where it asks for that (RFC 9110 §12.5.1).

/// The format of an exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The format for a client with this `Accept`: OpenMetrics only where it is named, and not less wanted than the other.
#[must_use]
pub fn choose(accept: Option<&[u8]>) -> Format {
    let (mut open, mut text) = (0, 0);
    for range in accept.unwrap_or_default().split(|&byte| byte == b',') {
        let mut parts = range.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let kind = parts.next().unwrap_or_default();
        let (mut weight, mut version) = (1000, None);
        for part in parts {
            let mut sides = part.splitn(2, |&byte| byte == b'=');
            let name = sides.next().unwrap_or_default().trim_ascii();
            let value = sides.next().unwrap_or_default().trim_ascii();
            if name.eq_ignore_ascii_case(b"q") {
                weight = thousandths(value);
            } else if name.eq_ignore_ascii_case(b"version") {
                version = Some(value.strip_prefix(b"\"").unwrap_or(value));
            }
        }
        let is = |name: &str| kind.eq_ignore_ascii_case(name.as_bytes());
        if is("application/openmetrics-text") {
            let is_ours = version.is_none_or(|text| text.starts_with(b"1.") || text == b"1");
            open = open.max(if is_ours { weight } else { 0 });
        } else if is("text/plain") || is("text/*") || is("*/*") {
            text = text.max(weight);
        }
    }
    if open > 0 && open >= text {
        Format::OpenMetrics
    } else {
        Format::Text
    }
}

/// A weight of 0 to 1 with up to three decimals; 0 where it is none.
fn thousandths(value: &[u8]) -> u32 {
    let text = std::str::from_utf8(value).unwrap_or_default();
    let weight: f64 = text.parse().unwrap_or(0.0);
    if (0.0..=1.0).contains(&weight) {
        // At most 1000.
        (weight * 1000.0) as u32
    } else {
        0
    }
}
