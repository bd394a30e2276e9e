//! Validated names: accounts, groups, and the caller-chosen `kid` and nonce.
//!
//! A value of one of these types has passed its rule once and needs no second
//! look: it can be stored, logged and put into a header (percent-encoded where
//! it is not ASCII).

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

use crate::ports::Random;

/// The longest account name, in bytes.
pub const MAX_ACCOUNT_NAME_BYTES: usize = 255;
/// The longest group name, in bytes.
pub const MAX_GROUP_NAME_BYTES: usize = 64;
/// The most groups one account may be in.
pub const MAX_GROUPS: usize = 256;
/// The longest `kid` header member and the longest nonce, in bytes.
pub const MAX_LABEL_BYTES: usize = 256;

/// The group whose members may use the administration API.
pub const ADMIN_GROUP: &str = "admin";

/// The group whose accounts may look at everything that is administrated, and change
/// nothing.
pub const AUDITOR_GROUP: &str = "auditor";

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing was given.
    #[error("a name must not be empty")]
    Empty,
    /// More bytes than the kind of name allows.
    #[error("a name must not be longer than {limit} bytes, this one has {found}")]
    TooLong {
        /// The most bytes allowed.
        limit: usize,
        /// The bytes found.
        found: usize,
    },
    /// A control character, or another that has no printed form.
    #[error("a name must consist of printable characters, found U+{0:04X}")]
    NotPrintable(u32),
    /// A blank at the start or the end.
    #[error("a name must not begin or end with a blank")]
    OuterBlank,
    /// The name has the shape of a UUID but is not the account's own id.
    #[error("a name that has the shape of a UUID is reserved for the account with that id")]
    LooksLikeAnId,
    /// A character outside `A-Z a-z 0-9 . _ : / -` in a group.
    #[error("a group may only contain A-Z a-z 0-9 . _ : / -, found {0:?}")]
    NotAGroupCharacter(char),
}

/// The unique name of an account, 1..=255 bytes of printable UTF-8.
///
/// ```
/// use countersign_core::AccountName;
///
/// assert!(AccountName::new("billing-worker-7").is_ok());
/// assert!(AccountName::new(" padded").is_err());
/// ```
///
/// Short names stand in place, and cloning is cheap for all: a directory of a
/// million accounts is looked up without following a pointer for each name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountName(SmolStr);

impl AccountName {
    /// Checks the rule for account names.
    ///
    /// # Errors
    /// [`NameError`] says which part of the rule does not hold.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check_length(name, MAX_ACCOUNT_NAME_BYTES)?;
        check_printable(name)?;
        if name.starts_with(char::is_whitespace) || name.ends_with(char::is_whitespace) {
            return Err(NameError::OuterBlank);
        }
        Ok(Self(name.into()))
    }

    /// Checks that the name may belong to the account with this `id`: a name
    /// shaped like a UUID is reserved for the account whose id it is.
    ///
    /// # Errors
    /// [`NameError::LooksLikeAnId`] for another account's id.
    pub fn check_owner(&self, id: AccountId) -> Result<(), NameError> {
        match Uuid::try_parse(&self.0) {
            Ok(uuid) if uuid != id.0 => Err(NameError::LooksLikeAnId),
            _ => Ok(()),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A machine identity's immutable id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub Uuid);

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl AccountId {
    /// Draws a new one (version 4).
    pub fn draw(random: &dyn Random) -> Self {
        Self(random_uuid(random))
    }
}

/// An API key's id, by which operators call it; it says nothing about the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ApiKeyId(pub Uuid);

impl fmt::Display for ApiKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl ApiKeyId {
    /// Draws a new one (version 4).
    pub fn draw(random: &dyn Random) -> Self {
        Self(random_uuid(random))
    }
}

fn random_uuid(random: &dyn Random) -> Uuid {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// The name of a group, `[A-Za-z0-9._:/-]{1,64}`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(Box<str>);

impl GroupName {
    /// Checks the rule for group names.
    ///
    /// # Errors
    /// [`NameError`] says which part of the rule does not hold.
    pub fn new(name: &str) -> Result<Self, NameError> {
        check_length(name, MAX_GROUP_NAME_BYTES)?;
        match name.chars().find(|c| !is_group_character(*c)) {
            Some(found) => Err(NameError::NotAGroupCharacter(found)),
            None => Ok(Self(name.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_group_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '-')
}

fn check_length(name: &str, limit: usize) -> Result<(), NameError> {
    match name.len() {
        0 => Err(NameError::Empty),
        found if found > limit => Err(NameError::TooLong { limit, found }),
        _ => Ok(()),
    }
}

fn check_printable(name: &str) -> Result<(), NameError> {
    // Most names are plain ASCII, which is looked through at a glance.
    if name.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(());
    }
    match name.chars().find(|c| !is_printable(*c)) {
        Some(found) => Err(NameError::NotPrintable(u32::from(found))),
        None => Ok(()),
    }
}

/// Control characters, line and paragraph separators, and the invisible marks
/// that reorder or hide text (so that two names cannot look the same in a log)
/// have no printed form.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

macro_rules! text_conversions {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.into()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}

text_conversions!(AccountName, GroupName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_names_are_printable_text_without_outer_blanks() {
        for good in ["a", "Grüße aus 東京", "device 7", "x/y:z@w", &"n".repeat(255)] {
            assert!(AccountName::new(good).is_ok(), "{good:?}");
        }
        let bad = [
            ("", NameError::Empty),
            (" a", NameError::OuterBlank),
            ("a\u{3000}", NameError::OuterBlank),
            ("a\nb", NameError::NotPrintable(0x0A)),
            ("a\0", NameError::NotPrintable(0)),
            ("a\u{202E}b", NameError::NotPrintable(0x202E)),
        ];
        for (name, error) in bad {
            assert_eq!(AccountName::new(name), Err(error), "{name:?}");
        }
        let error = NameError::TooLong { limit: 255, found: 256 };
        assert_eq!(AccountName::new(&"n".repeat(256)), Err(error));
    }

    #[test]
    fn a_uuid_shaped_name_belongs_to_the_account_with_that_id() {
        let id = AccountId(Uuid::from_u128(7));
        let own = AccountName::new(&id.to_string()).unwrap();
        assert_eq!(own.check_owner(id), Ok(()));
        let other = AccountId(Uuid::from_u128(8));
        assert_eq!(own.check_owner(other), Err(NameError::LooksLikeAnId));
        let simple = AccountName::new(&id.0.simple().to_string()).unwrap();
        assert_eq!(simple.check_owner(other), Err(NameError::LooksLikeAnId));
        assert_eq!(AccountName::new("plain").unwrap().check_owner(id), Ok(()));
    }

    #[test]
    fn groups_have_a_narrow_alphabet() {
        assert!(GroupName::new("team:ops/eu-west.1_a").is_ok());
        assert_eq!(GroupName::new("a,b"), Err(NameError::NotAGroupCharacter(',')));
        assert_eq!(GroupName::new("ü"), Err(NameError::NotAGroupCharacter('ü')));
        assert_eq!(GroupName::new(""), Err(NameError::Empty));
        assert!(GroupName::new(&"g".repeat(65)).is_err());
    }
}
