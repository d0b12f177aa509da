//! What can be wrong with a frame.

/// Why bytes are not a frame, or why something cannot be made one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A kind that this side does not take.
    #[error("frame of unknown kind {0}")]
    UnknownKind(u8),
    /// Bits that have to be zero are not.
    #[error("reserved bits are set in a frame of kind {0}")]
    Reserved(u8),
    /// More than a frame of its kind may hold.
    #[error("{length} bytes are too many for a frame of kind {kind}, which may have {limit}")]
    TooLong {
        /// The frame's kind.
        kind: u8,
        /// Bytes of its payload.
        length: u64,
        /// Bytes that are allowed.
        limit: usize,
    },
    /// A payload that ends within one of its fields.
    #[error("a frame ends within {0}")]
    Short(&'static str),
    /// A payload that goes on behind its last field.
    #[error("a frame goes on behind {0}")]
    Long(&'static str),
    /// A field with a value that it cannot have.
    #[error("{0} has a value that it cannot have")]
    Value(&'static str),
    /// A hello of another build.
    #[error("the other side speaks version {0} of the protocol")]
    Version(u32),
}
