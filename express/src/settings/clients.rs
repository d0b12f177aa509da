//! What clients may take.

use serde::Serialize;

use crate::cli::ClientArgs;

/// Limits on connections and requests.
#[derive(Debug, Serialize)]
pub(crate) struct Clients {
    /// 0 is none.
    pub(crate) keep_alive_timeout: u32,
    /// The argument of RequestReadTimeout, where there is any.
    pub(crate) read_timeout: String,
    pub(crate) limit_request_body: u64,
    pub(crate) compresses: bool,
}

impl Clients {
    /// Resolves the options.
    pub(super) fn resolve(args: &ClientArgs) -> Self {
        let header = read_timeout(
            "header",
            [
                args.header_timeout,
                args.header_max_timeout,
                args.header_min_rate,
            ],
        );
        let body = read_timeout(
            "body",
            [args.body_timeout, args.body_max_timeout, args.body_min_rate],
        );
        Self {
            keep_alive_timeout: args.keep_alive_timeout,
            read_timeout: [header, body].join(" "),
            limit_request_body: args.limit_request_body,
            compresses: args.compress_responses,
        }
    }
}

/// One part of RequestReadTimeout: `header=15-30,MinRate=500`. Without a rate nothing earns more time, and neither does
/// it where the longest time is not longer than the first.
///
/// httpd: a part that is left out has a limit of its own, so none is said; a range needs a rate, and a rate without a
/// range has no end.
fn read_timeout(part: &str, [first, most, rate]: [u32; 3]) -> String {
    match (first, most, rate) {
        (first, _, 0) => format!("{part}={first}"),
        (0, ..) => format!("{part}=0"),
        (first, 0, rate) => format!("{part}={first},MinRate={rate}"),
        (first, most, rate) if most > first => format!("{part}={first}-{most},MinRate={rate}"),
        (first, ..) => format!("{part}={first}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_zero_or_lengthen_nothing_are_left_out() {
        for (given, expected) in [
            ([15, 30, 500], "header=15-30,MinRate=500"),
            ([15, 0, 500], "header=15,MinRate=500"),
            ([15, 0, 0], "header=15"),
            ([15, 30, 0], "header=15"),
            ([30, 30, 500], "header=30"),
            ([40, 30, 500], "header=40"),
            ([0, 30, 500], "header=0"),
        ] {
            assert_eq!(read_timeout("header", given), expected);
        }
    }
}
