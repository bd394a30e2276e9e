//! Which memory of used tokens a guard has.

/// Whose a guard's memory is. Servers on one database go together if they have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// The server's own: each other one would accept a token once more.
    Own,
    /// One that servers share, as soon as it says which it is. Nothing is accepted until then.
    Unknown,
    /// This one, which servers share.
    Shared(MemoryId),
}

impl Memory {
    /// The tables in the database itself.
    pub const DATABASE: Self = Self::Shared(MemoryId(0));
}

/// Tells a shared memory from any other: the same for all who share it, by whatever address.
/// Two that were drawn are alike once in 2^31 times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryId(i32);

impl MemoryId {
    /// One that is drawn by these bytes.
    pub const fn drawn(bytes: [u8; 4]) -> Self {
        Self(i32::from_be_bytes(bytes) & i32::MAX)
    }

    /// Its number, which is not negative.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The one with this number.
    #[cfg(feature = "redis")]
    pub(super) fn numbered(number: i32) -> Option<Self> {
        (number >= 0).then_some(Self(number))
    }
}
