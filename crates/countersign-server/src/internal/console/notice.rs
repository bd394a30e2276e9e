//! What a page says about the act that led to it.
//!
//! After an act the browser is led to a page whose address has a word for it. Only the acts of
//! the same session can put it there: otherwise whoever makes an operator open a link could
//! have the page say that something was done.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::paths;
use super::visitor::Visitor;

/// The part of a page's address that has the word.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Notice {
    done: String,
}

impl Notice {
    /// The word, if this session was led to this path with it.
    pub(super) fn word(&self, visitor: &Visitor, path: &str) -> Option<&str> {
        let (word, tag) = self.done.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        hmac::verify(&key(visitor), &message(path, word), &tag).ok()?;
        Some(word)
    }
}

/// A path that leads this session to a page which says that this was done.
pub(super) fn path_with(path: &str, visitor: &Visitor, word: &str) -> String {
    let tag = hmac::sign(&key(visitor), &message(path, word));
    let done = format!("{word}.{}", URL_SAFE_NO_PAD.encode(tag));
    paths::with_query(path, &[("done", &done)])
}

/// What forms of the session carry is as secret as this has to be.
fn key(visitor: &Visitor) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, visitor.csrf.as_bytes())
}

/// Neither a path nor a word has a line break.
fn message(path: &str, word: &str) -> Vec<u8> {
    format!("notice\n{path}\n{word}").into_bytes()
}

#[cfg(test)]
mod tests {
    use countersign_core::ports::Act;
    use countersign_core::{AccountName, UnixTime};

    use super::*;
    use crate::internal::role::Role;

    fn visitor(csrf: &str) -> Visitor {
        let act = Act { actor: "ada".to_owned(), at: UnixTime::from_secs(0), from: None };
        let account = AccountName::new("ada").unwrap();
        Visitor { account, role: Role::Administrator, csrf: csrf.to_owned(), act }
    }

    #[test]
    fn a_word_is_of_one_session_and_one_page() {
        let path = path_with("/console/accounts/robot", &visitor("secret"), "disabled");
        let (_, done) = path.split_once("?done=").unwrap();
        let notice = Notice { done: done.to_owned() };
        let said = |csrf, path| notice.word(&visitor(csrf), path).map(str::to_owned);
        assert_eq!(said("secret", "/console/accounts/robot").as_deref(), Some("disabled"));
        assert_eq!(said("secret", "/console/accounts/other"), None);
        assert_eq!(said("another", "/console/accounts/robot"), None);
        for forged in ["disabled", "disabled.", "disabled.AAAA", ".", ""] {
            let notice = Notice { done: forged.to_owned() };
            assert_eq!(notice.word(&visitor("secret"), "/console/accounts/robot"), None);
        }
    }
}
