//! What a Redis says: RESP2, the answers that our guard asks for.

use redis::Value;

/// An answer, not yet in bytes.
pub(super) enum Answer {
    Ok,
    Nothing,
    Text(Vec<u8>),
    All(Vec<Answer>),
    Error(&'static str),
}

impl Answer {
    pub(super) fn encoded(&self) -> Vec<u8> {
        match self {
            Self::Ok => b"+OK\r\n".to_vec(),
            Self::Nothing => b"$-1\r\n".to_vec(),
            Self::Text(text) => bulk(text),
            Self::All(answers) => {
                let mut bytes = format!("*{}\r\n", answers.len()).into_bytes();
                bytes.extend(answers.iter().flat_map(Self::encoded));
                bytes
            }
            Self::Error(error) => format!("-ERR {error}\r\n").into_bytes(),
        }
    }
}

fn bulk(text: &[u8]) -> Vec<u8> {
    let mut bytes = format!("${}\r\n", text.len()).into_bytes();
    bytes.extend_from_slice(text);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The words of a command; commands come as arrays of texts.
pub(super) fn words(command: Value) -> Vec<Vec<u8>> {
    let Value::Array(words) = command else { return Vec::new() };
    let text = |word| if let Value::BulkString(text) = word { text } else { Vec::new() };
    words.into_iter().map(text).collect()
}
