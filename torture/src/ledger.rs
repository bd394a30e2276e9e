//! What was tried, and what came of it.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// Every attempt with every token.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Vec<Token>>);

/// The attempts with one token.
#[derive(Clone, Default)]
pub(crate) struct Token {
    pub(crate) attempts: Vec<Attempt>,
}

/// One use that a caller tried to make of a token.
#[derive(Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) replica: usize,
    /// Whether it is one of those that were made at once, before all others, with a token that
    /// is good: one of them is promised to be accepted.
    pub(crate) is_promised: bool,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) outcome: Outcome,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200.
    Accepted,
    /// 401.
    Refused,
    /// 503.
    Unavailable,
    /// Anything else.
    Unexpected,
    /// No answer: nobody knows.
    Lost,
}

impl Ledger {
    /// Begins the account of another token; its number.
    pub(crate) fn open(&self) -> usize {
        let mut tokens = self.lock();
        tokens.push(Token::default());
        tokens.len() - 1
    }

    pub(crate) fn enter(&self, token: usize, attempt: Attempt) {
        self.lock()[token].attempts.push(attempt);
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// All of them; none is left.
    pub(crate) fn take(&self) -> Vec<Token> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Token>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
