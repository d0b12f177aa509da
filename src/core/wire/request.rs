//! The request frame: what is to be run, the environ, and where the body is.

use super::entries::{Entries, push_entry, push_named};
use super::error::WireError;
use super::frame::{Fields, HEADER, seal};
use super::to_daemon::{MAX_REQUEST, kind};
use crate::name::NameId;

/// Stands for "not known" in the place of a modification time.
const NO_TIME: i64 = i64::MIN;
/// Bytes of a payload before the first text.
const FIXED: usize = 80;
/// Where in those bytes the body's form is, the tries, the length of the entries, and the claim.
const BODY_AT: usize = 32;
const TRIES_AT: usize = 34;
const ENTRIES_AT: usize = 64;
const CLAIM_AT: usize = 68;

/// A bit of `request_flags` beside the bridge's: the request does not count as activity (`WSGIIgnoreActivity`).
pub const IGNORE_ACTIVITY: u32 = 1 << 16;

const NONE: u8 = 0;
const INLINE: u8 = 1;
const FILE: u8 = 2;
const STREAM: u8 = 3;

/// Where in the shared memory of the group it is said who has a request. Only the bytes of it are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which cell of the child's row; [`Claim::NONE`] has none.
    pub cell: u32,
    /// Which of all offers that were ever made in this cell.
    pub sequence: u64,
}

impl Claim {
    /// The request can be taken without asking: whoever is sent it may have run it.
    pub const NONE: Self = Self {
        cell: u32::MAX,
        sequence: 0,
    };
}

/// How a request came to its process. A count that is higher is the highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Processes that it was given to, the last included; 0 in Apache's own.
    pub connects: u8,
    /// How many of them were about to be replaced, or ended, and had not begun with it.
    pub restarts: u8,
}

impl Tries {
    /// It ran where it was read.
    pub const NONE: Self = Self {
        connects: 0,
        restarts: 0,
    };
    /// The first process took it.
    const ONE: Self = Self {
        connects: 1,
        restarts: 0,
    };
}

/// Where the body of a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyForm<'a> {
    /// There is none.
    None,
    /// Here.
    Inline(&'a [u8]),
    /// In the file whose descriptor came with the frame, from its beginning.
    File {
        /// Bytes.
        length: u64,
    },
    /// Still with the client: see [`super::ToChild::NeedBody`].
    Stream,
}

/// What is known of a request before its entries are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    /// Empty is the main interpreter.
    pub application_group: &'a [u8],
    /// The script that is loaded.
    pub script: &'a [u8],
    /// The callable in it.
    pub callable: &'a [u8],
    /// What `reload_required` is given.
    pub resource: &'a [u8],
    /// When the script was changed, in microseconds since the epoch, if the child knows.
    pub mtime: Option<i64>,
    /// `TARGET_*` bits of the bridge.
    pub target_flags: u32,
    /// `REQUEST_*` bits of the bridge, without those about the body, and [`IGNORE_ACTIVITY`].
    pub request_flags: u32,
    /// When Apache read the request line, in microseconds since the epoch.
    pub request_start: i64,
    /// When the child asked for a slot, in microseconds since the epoch.
    pub queue_start: i64,
    /// The most talkative level that is logged for this request, 0 to 15: other lines need not be sent.
    pub log_level: u8,
    /// Entries that all requests of a server share: the same bytes come again and again.
    pub constants: Entries<'a>,
}

/// A request as the daemon reads it. Its entries, and those that it shares, are not looked at yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFrame<'a> {
    /// What came in front.
    pub head: RequestHead<'a>,
    /// What the process has to take before it runs the request.
    pub claim: Claim,
    /// How it came to the process.
    pub tries: Tries,
    /// The entries of this request; a later one wins.
    pub entries: Entries<'a>,
    /// The body.
    pub body: BodyForm<'a>,
}

/// Reads the payload of a request.
pub(super) fn decode(payload: &[u8]) -> Result<RequestFrame<'_>, WireError> {
    let mut fields = Fields(payload);
    let mtime = fields.i64("a request")?;
    let request_start = fields.i64("a request")?;
    let queue_start = fields.i64("a request")?;
    let target_flags = fields.u32("a request")?;
    let request_flags = fields.u32("a request")?;
    let form = fields.u8("a request")?;
    let log_level = fields.u8("a request")?;
    let [connects, restarts] = fields.array("a request")?;
    if log_level > 15 {
        return Err(WireError::Value("a request's log level"));
    }
    let body_length = fields.u64("a request")?;
    let mut lengths = [0; 6];
    for length in &mut lengths {
        *length = fields.u32("a request")? as usize;
    }
    let [group, script, callable, resource, constants, entries] = lengths;
    let claim = Claim {
        cell: fields.u32("a request")?,
        sequence: fields.u64("a request")?,
    };
    let head = RequestHead {
        application_group: fields.bytes(group, "the application group")?,
        script: fields.bytes(script, "the script")?,
        callable: fields.bytes(callable, "the callable")?,
        resource: fields.bytes(resource, "the resource")?,
        mtime: (mtime != NO_TIME).then_some(mtime),
        target_flags,
        request_flags,
        request_start,
        queue_start,
        log_level,
        constants: Entries::new(fields.bytes(constants, "the constants")?),
    };
    Ok(RequestFrame {
        head,
        claim,
        tries: Tries { connects, restarts },
        entries: Entries::new(fields.bytes(entries, "the entries")?),
        body: body(form, body_length, fields.0)?,
    })
}

fn body(form: u8, length: u64, rest: &[u8]) -> Result<BodyForm<'_>, WireError> {
    if form != INLINE && !rest.is_empty() {
        return Err(WireError::Long("a request"));
    }
    match (form, length) {
        (NONE, 0) => Ok(BodyForm::None),
        (INLINE, _) if length == rest.len() as u64 => Ok(BodyForm::Inline(rest)),
        (FILE, 0..=0x7fff_ffff_ffff_ffff) => Ok(BodyForm::File { length }),
        (STREAM, 0) => Ok(BodyForm::Stream),
        _ => Err(WireError::Value("a request's body")),
    }
}

/// What the sender does about the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPlan {
    /// There is none.
    None,
    /// That many bytes follow the frame's other bytes.
    Inline(usize),
    /// A descriptor is sent with the last byte.
    File {
        /// Bytes.
        length: u64,
    },
    /// It is streamed when the daemon asks for it.
    Stream,
}

/// Appends one request to a vector: the head, then its entries, then [`RequestEncoder::finish`].
#[must_use]
pub struct RequestEncoder<'v> {
    out: &'v mut Vec<u8>,
    start: usize,
    entries_start: usize,
}

impl<'v> RequestEncoder<'v> {
    /// Begins a request.
    pub fn new(out: &'v mut Vec<u8>, head: &RequestHead<'_>) -> Self {
        let start = out.len();
        let mut fixed = [0; HEADER + FIXED];
        let mut at = HEADER;
        let mut put = |bytes: &[u8]| {
            fixed[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&head.mtime.unwrap_or(NO_TIME).to_le_bytes());
        put(&head.request_start.to_le_bytes());
        put(&head.queue_start.to_le_bytes());
        put(&head.target_flags.to_le_bytes());
        put(&head.request_flags.to_le_bytes());
        put(&[NONE, head.log_level.min(15)]);
        put(&encode_tries(Tries::ONE));
        put(&[0; 8]);
        let texts = [
            head.application_group,
            head.script,
            head.callable,
            head.resource,
            head.constants.as_bytes(),
        ];
        for text in texts {
            // Texts of 4 GiB make the frame too long whatever their length fields say.
            put(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        }
        // The length of the entries is known at the end.
        put(&[0; 4]);
        put(&encode_claim(Claim::NONE));
        out.extend_from_slice(&fixed);
        for text in texts {
            out.extend_from_slice(text);
        }
        let entries_start = out.len();
        Self {
            out,
            start,
            entries_start,
        }
    }

    /// Adds an entry with a well-known key.
    pub fn entry(&mut self, id: NameId, value: &[u8]) {
        push_entry(self.out, id, value);
    }

    /// Adds an entry whose key is spelled.
    pub fn named(&mut self, name: &[u8], value: &[u8]) {
        push_named(self.out, name, value);
    }

    /// Ends the request. The bytes of an inline body are not copied: they go out behind the vector's.
    ///
    /// # Errors
    /// The request has more than [`MAX_REQUEST`] bytes.
    pub fn finish(self, body: BodyPlan) -> Result<(), WireError> {
        let entries = self.out.len() - self.entries_start;
        let (form, length, more) = match body {
            BodyPlan::None => (NONE, 0, 0),
            BodyPlan::Inline(length) => (INLINE, length as u64, length),
            BodyPlan::File { length } => (FILE, length, 0),
            BodyPlan::Stream => (STREAM, 0, 0),
        };
        seal(self.out, self.start, more, kind::REQUEST, MAX_REQUEST)?;
        let fixed = &mut self.out[self.start + HEADER..];
        fixed[BODY_AT] = form;
        fixed[BODY_AT + 4..BODY_AT + 12].copy_from_slice(&length.to_le_bytes());
        // Lossless: less than MAX_REQUEST.
        fixed[ENTRIES_AT..ENTRIES_AT + 4].copy_from_slice(&(entries as u32).to_le_bytes());
        Ok(())
    }
}

/// Writes a claim into the request that was encoded at the beginning of `frame`, in place of the one that it had.
pub fn set_claim(frame: &mut [u8], claim: Claim) {
    let place = HEADER + CLAIM_AT..HEADER + FIXED;
    if let Some(bytes) = frame.get_mut(place) {
        bytes.copy_from_slice(&encode_claim(claim));
    }
}

/// Writes into the request that was encoded at the beginning of `frame` how it comes to its process.
pub fn set_tries(frame: &mut [u8], tries: Tries) {
    let place = HEADER + TRIES_AT..HEADER + TRIES_AT + 2;
    if let Some(bytes) = frame.get_mut(place) {
        bytes.copy_from_slice(&encode_tries(tries));
    }
}

const fn encode_tries(tries: Tries) -> [u8; 2] {
    [tries.connects, tries.restarts]
}

fn encode_claim(claim: Claim) -> [u8; FIXED - CLAIM_AT] {
    let mut bytes = [0; FIXED - CLAIM_AT];
    bytes[..4].copy_from_slice(&claim.cell.to_le_bytes());
    bytes[4..].copy_from_slice(&claim.sequence.to_le_bytes());
    bytes
}
