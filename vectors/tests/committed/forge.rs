//! Makes tokens, good and bad, and the cases they stand in.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_core::{Algorithm, KeyType, PrivateKey, Reason};
use countersign_vectors::{Case, Expected, Step, Topic};

/// The server's clock in every case.
pub(crate) const NOW: i64 = 1_795_385_494;

/// The test keys, and the signatures made with them before.
pub(crate) struct Forge {
    keys: HashMap<String, PrivateKey>,
    /// Signatures by what they are over. Those of PSS and ECDSA come out
    /// differently each time, so the committed ones are kept.
    signatures: HashMap<String, String>,
}

impl Forge {
    pub(crate) fn new(committed: impl Iterator<Item = String>) -> Self {
        let keys = countersign_vectors::keys().into_iter().map(|key| {
            let der = pem::parse(key.private_pem).unwrap();
            (key.name, PrivateKey::from_pkcs8_der(der.contents()).unwrap())
        });
        let signatures = committed
            .filter_map(|json| serde_json::from_str::<Topic>(&json).ok())
            .flat_map(|topic| topic.cases)
            .flat_map(|case| case.steps)
            .flat_map(|step| step.authorization)
            .filter_map(|value| {
                let (input, signature) = value.strip_prefix("JWT ")?.rsplit_once('.')?;
                Some((input.to_owned(), signature.to_owned()))
            });
        Self { keys: keys.collect(), signatures: signatures.collect() }
    }

    pub(crate) fn key(&self, name: &str) -> &PrivateKey {
        &self.keys[name]
    }

    /// The `kid` that `asymmetric_jwt_auth` sends for a key.
    pub(crate) fn kid(&self, key: &str) -> String {
        self.key(key).public_key().fingerprints().spki_pem_sha256()
    }

    /// The header that `asymmetric_jwt_auth` writes for a key since 1.0.
    pub(crate) fn header(&self, key: &str) -> String {
        let algorithm = self.key(key).default_algorithm();
        format!(r#"{{"alg":"{algorithm}","kid":"{}","typ":"JWT"}}"#, self.kid(key))
    }

    /// A token with this header and payload, signed with an algorithm, whatever
    /// the header says.
    pub(crate) fn token(
        &self,
        key: &str,
        algorithm: Algorithm,
        header: &str,
        payload: &str,
    ) -> String {
        let input = input(header, payload);
        let signature = self.signature(key, algorithm, &input);
        format!("{input}.{signature}")
    }

    fn signature(&self, key: &str, algorithm: Algorithm, input: &str) -> String {
        let randomised = matches!(algorithm.key_type(), KeyType::P256 | KeyType::P384)
            || matches!(algorithm, Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512);
        match self.signatures.get(input) {
            Some(before) if randomised => before.clone(),
            _ => {
                let signature = self.key(key).sign(algorithm, input.as_bytes()).unwrap();
                URL_SAFE_NO_PAD.encode(signature)
            }
        }
    }

    /// A token as `asymmetric_jwt_auth` makes it, with any payload.
    pub(crate) fn signed(&self, key: &str, payload: &str) -> String {
        self.token(key, self.key(key).default_algorithm(), &self.header(key), payload)
    }

    /// The Authorization value for a payload that alice signed.
    pub(crate) fn alice(&self, payload: &str) -> String {
        jwt(&self.signed("ed25519-a", payload))
    }
}

/// What a signature is over.
pub(crate) fn input(header: &str, payload: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
}

pub(crate) fn jwt(token: &str) -> String {
    format!("JWT {token}")
}

/// Good claims of an account; the nonce is the case's name, so none is used twice.
pub(crate) fn claims(account: &str, nonce: &str) -> String {
    format!(r#"{{"username":"{account}","time":{NOW},"nonce":"{nonce}"}}"#)
}

/// Good claims of alice with more members.
pub(crate) fn claims_and(nonce: &str, more: &str) -> String {
    format!(r#"{{"username":"alice","time":{NOW},"nonce":"{nonce}",{more}}}"#)
}

pub(crate) fn accept(account: &str) -> Expected {
    Expected::Accept { account: account.into() }
}

pub(crate) fn refuse(reason: Reason) -> Expected {
    Expected::Refuse { reason: reason.code().into() }
}

pub(crate) fn step(value: impl Into<String>, expected: Expected) -> Step {
    Step { after_restart: false, at_once: 1, authorization: vec![value.into()], expected }
}

/// A case of one request with one Authorization header.
pub(crate) fn case(name: &str, row: &str, value: impl Into<String>, expected: Expected) -> Case {
    case_of(name, row, vec![step(value, expected)])
}

pub(crate) fn case_of(name: &str, row: &str, steps: Vec<Step>) -> Case {
    let (name, row) = (name.into(), row.into());
    Case { name, row, audiences: vec![], audience_required: false, steps }
}

pub(crate) fn topic(topic: &str, about: &str, cases: Vec<Case>) -> Topic {
    Topic { topic: topic.into(), about: about.into(), now: NOW, cases }
}
