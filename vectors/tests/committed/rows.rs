//! The rows of the table in `docs/vectors.md`, by their first column.

macro_rules! rows {
    ($($name:ident = $text:literal,)*) => {
        $(pub(crate) const $name: &str = $text;)*
        pub(crate) const ALL: &[&str] = &[$($text),*];
    };
}

rows! {
    CLIENT_0X = "client 0.1.5, 0.3.1",
    CLIENT_1X = "client 1.0.1b6, 1.3.0",
    SCHEME = "scheme `JWT` in any case; blanks around the value",
    TWO_HEADERS = "two Authorization headers, or a comma-joined one",
    ALGORITHMS = "RS256/384/512, EdDSA",
    FOREIGN_ALGORITHMS = "HMAC, none, label of another key type, another user's key",
    WINDOW = "window",
    TIME_SPELLING = "time integer or float, also `1795385494e0`",
    TIME_IMPOSSIBLE = "time 0, null, missing, bool, object, negative, huge, Infinity",
    TIME_OTHER_TYPE = "time string, list, 4300-digit integer",
    TIME_NAN = "time NaN",
    NONCE = "nonce string, integer, float, true",
    NONCE_EMPTY = "nonce missing, null, \"\", 0, false, []",
    NONCE_OTHER_TYPE = "nonce list or object",
    USERNAME = "username missing, null, \"\", not a string",
    DISABLED = "account disabled",
    REGISTERED_BAD = "exp past, nbf future, malformed registered claims",
    REGISTERED_GOOD = "exp future, iss, other extra claims",
    AUDIENCE = "aud present",
    AUDIENCE_REQUIRED = "aud missing, or with other names too, where one is required",
    CRITICAL = "header crit, b64, kid not a string",
    KID = "kid unknown for the account",
    PAYLOAD = "payload not a JSON object",
    ENCODING = "signature padded with `=`, non-canonical base64url",
    SAME_NONCE = "same nonce, other time or other account",
    SIGNED_AGAIN = "same claims signed again with another key or algorithm",
    AT_ONCE = "the same token 64 times at once",
    RESTART = "the same token after a restart inside the window",
    NO_PROTECTION = "0.1.5, 0.3.1 servers: no replay protection at all",
    WEAK_KEYS = "RSA below 2048 bits, small-order Ed25519 points",
}
