//! A request that owns the bytes it is described by: what a daemon has in hand between taking a request and being done
//! with it, and can move about.

use std::sync::Arc;

use crate::abi;
use crate::facts::{ConstantsBlock, FieldList, RequestFacts, TargetFacts, Tries};

/// Memory for a request: bytes that a host fills, and a list of entries. Used again and again.
#[derive(Debug, Default)]
pub struct Room {
    /// What the request is described by: the payload of a frame, whatever else is needed behind it.
    pub bytes: Vec<u8>,
    fields: FieldList<'static>,
}

/// A request by what its bytes say. What it borrows is in the bytes, or lives for ever.
#[derive(Debug)]
pub struct Description<'b> {
    /// What is to be run.
    pub target: TargetFacts<'b>,
    /// The list that the description was begun with, filled.
    pub fields: FieldList<'b>,
    /// The part of the body that is there.
    pub body: &'b [u8],
    /// `REQUEST_*` bits of [`abi`].
    pub flags: u32,
    /// See [`RequestFacts`], as for the next ones.
    pub request_start: i64,
    /// See above.
    pub queue_start: i64,
    /// See above.
    pub daemon_start: i64,
    /// See above.
    pub tries: Tries,
}

/// See the module.
///
/// # Invariants
/// `raw` points into `bytes`, `fields`, `constants` and static memory only. None of them changes, and their heap memory
/// stays where it is when the value moves.
#[derive(Debug)]
pub struct OwnedRequest {
    raw: abi::Request,
    bytes: Vec<u8>,
    fields: FieldList<'static>,
    constants: Option<Arc<ConstantsBlock>>,
}

// SAFETY: by the invariant its pointers go to memory that it owns or that nobody writes.
unsafe impl Send for OwnedRequest {}

impl From<Vec<u8>> for Room {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            fields: FieldList::default(),
        }
    }
}

impl Room {
    /// Makes a request of the room's bytes: `describe` says what is in them, beginning with an empty list of entries.
    ///
    /// # Errors
    /// That of `describe`, with the room.
    pub fn fill<E>(
        self,
        constants: Option<Arc<ConstantsBlock>>,
        describe: impl for<'b> FnOnce(&'b [u8], FieldList<'b>) -> Result<Description<'b>, E>,
    ) -> Result<OwnedRequest, (E, Self)> {
        let Self { bytes, fields } = self;
        let described = describe(&bytes, fields.recycle()).map(|described| {
            let facts = RequestFacts {
                target: described.target,
                constants: constants.as_deref(),
                fields: &described.fields,
                body: described.body,
                flags: described.flags,
                request_start: described.request_start,
                queue_start: described.queue_start,
                daemon_start: described.daemon_start,
                tries: described.tries,
                apache_request: None,
            };
            let raw = facts.to_abi();
            // SAFETY: `bytes` goes into the same value as the list, and nothing changes it there.
            let fields = unsafe { described.fields.extend_borrows() };
            (raw, fields)
        });
        match described {
            // INVARIANT: the signature of `describe` lets it borrow from nothing but the bytes and statics.
            Ok((raw, fields)) => Ok(OwnedRequest {
                raw,
                bytes,
                fields,
                constants,
            }),
            Err(error) => Err((error, Self::from(bytes))),
        }
    }
}

impl OwnedRequest {
    /// The request, to be given to [`crate::layer::Layer::handle`] or looked at.
    #[must_use]
    pub fn facts(&self) -> RequestFacts<'_> {
        // SAFETY: by the invariant, as the others.
        let slice = |bytes: abi::Bytes| unsafe { bytes.as_slice() };
        let target = &self.raw.target;
        RequestFacts {
            target: TargetFacts {
                application_group: slice(target.application_group),
                script: slice(target.script),
                callable: slice(target.callable),
                resource: slice(target.resource),
                mtime: (target.mtime != abi::MTIME_UNKNOWN).then_some(target.mtime),
                flags: target.flags,
            },
            constants: self.constants.as_deref(),
            fields: &self.fields,
            body: slice(self.raw.body),
            flags: self.raw.flags,
            request_start: self.raw.request_start,
            queue_start: self.raw.queue_start,
            daemon_start: self.raw.daemon_start,
            tries: Tries {
                connects: u8::try_from(self.raw.connects).unwrap_or(u8::MAX),
                restarts: u8::try_from(self.raw.restarts).unwrap_or(u8::MAX),
            },
            apache_request: None,
        }
    }

    /// The bytes that it is described by.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Says when a daemon took it, where that was not known when it was described.
    pub fn set_daemon_start(&mut self, micros: i64) {
        self.raw.daemon_start = micros;
    }

    /// Gives the memory back for another request. The bytes are still there.
    #[must_use]
    pub fn into_room(self) -> Room {
        Room {
            bytes: self.bytes,
            fields: self.fields.recycle(),
        }
    }

    /// The ABI's form, for as long as the request stays where it is.
    pub(crate) fn as_abi(&self) -> &abi::Request {
        &self.raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(text: &str) -> OwnedRequest {
        let mut list = FieldList::default();
        list.push(4, b"80");
        let constants = Arc::new(ConstantsBlock::new(&list));
        let room = Room::from(text.as_bytes().to_vec());
        let made = room.fill(Some(constants), |bytes, mut fields| {
            let (script, value) = bytes.split_at_checked(4).ok_or("too short")?;
            fields.push_named(b"STATIC", value);
            Ok::<_, &str>(Description {
                target: TargetFacts {
                    script,
                    ..TargetFacts::default()
                },
                fields,
                body: value,
                flags: 0,
                request_start: 1,
                queue_start: 2,
                daemon_start: 0,
                tries: Tries {
                    connects: 2,
                    restarts: 1,
                },
            })
        });
        made.unwrap_or_else(|(error, _)| panic!("{error}"))
    }

    #[test]
    fn a_request_says_the_same_after_it_was_moved() {
        let mut moved: Vec<OwnedRequest> = ["/a.wvalue", "/b.wother"].map(described).into();
        moved.reserve(64);
        moved[1].set_daemon_start(7);
        for (request, script, value) in [
            (&moved[0], &b"/a.w"[..], &b"value"[..]),
            (&moved[1], b"/b.w", b"other"),
        ] {
            let facts = request.facts();
            assert_eq!((facts.target.script, facts.body), (script, value));
            assert_eq!(facts.fields.iter().next(), Some((0, &b"STATIC"[..], value)));
            assert_eq!(facts.target.mtime, None);
            assert!(facts.constants.is_some());
        }
        let facts = moved[1].facts();
        assert_eq!(
            (
                facts.daemon_start,
                facts.tries.connects,
                facts.tries.restarts
            ),
            (7, 2, 1)
        );
    }

    #[test]
    fn memory_comes_back_whether_a_description_failed_or_not() {
        let room = described("/a.wvalue").into_room();
        assert_eq!(room.bytes, b"/a.wvalue");
        let failed = room.fill(None, |_, _| Err::<Description<'_>, _>("no"));
        let Err((error, room)) = failed else {
            panic!("it was described");
        };
        assert_eq!((error, &room.bytes[..]), ("no", &b"/a.wvalue"[..]));
    }
}
