//! Identity headers as a caller makes them up.

use crate::http::Request;
use crate::upstream::Seen;

/// The headers in which a gateway says who the caller is.
const IDENTITY_HEADERS: [&str; 6] = [
    "X-Auth-Account",
    "X-Auth-Account-Id",
    "X-Auth-Groups",
    "X-Auth-Method",
    "X-Auth-Credential",
    "X-Auth-Identifier",
];
const FORGED: &str = "forged";

impl Request {
    /// The same with every identity header, in every spelling.
    #[must_use]
    pub fn with_forged_identity(mut self) -> Self {
        for spelling in IDENTITY_HEADERS.iter().flat_map(|name| spellings(name)) {
            self = self.line(&spelling, FORGED).line(&spelling.to_lowercase(), FORGED);
        }
        self
    }
}

impl Seen {
    /// The names of the headers that came through from
    /// [`with_forged_identity`](Request::with_forged_identity).
    pub fn forged(&self) -> Vec<&str> {
        let forged = self.headers.iter().filter(|(_, value)| value.contains(FORGED));
        forged.map(|(name, _)| name.as_str()).collect()
    }
}

/// A header's name with each `-` as it is or as `_`: CGI and WSGI take them for
/// one.
fn spellings(name: &str) -> Vec<String> {
    let mut spellings = vec![String::new()];
    for character in name.chars() {
        let choices: &[char] = if character == '-' { &['-', '_'] } else { &[character] };
        spellings = spellings
            .iter()
            .flat_map(|begun| choices.iter().map(move |choice| format!("{begun}{choice}")))
            .collect();
    }
    spellings
}
