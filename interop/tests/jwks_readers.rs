//! Access tokens of every algorithm, before the libraries with which services
//! judge them by our key set.

use anyhow::Result;
use interop::{Countersign, JwksReader, Presented, Verdict};
use serde_json::{Value, json};

const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
const IDENTIFIER: &str = "5d8f6a3a-2e5b-4c0e-9a53-6a7b9d0c1e2f";
const ISSUER: &str = "https://auth.example";
const AUDIENCE: &str = "things";
const LIFETIME_SECONDS: i64 = 15 * 60;

/// A server that signs with one algorithm, and two tokens of it.
struct Issuer {
    algorithm: &'static str,
    server: Countersign,
    tokens: [String; 2],
}

impl Issuer {
    async fn new(algorithm: &'static str) -> Result<Self> {
        let server = Countersign::start_with(&[
            "--signing-algorithm",
            algorithm,
            "--issuer",
            ISSUER,
            "--token-audiences",
            AUDIENCE,
        ])
        .await?;
        let token = async || server.access_token(algorithm, IDENTIFIER).await;
        let tokens = [token().await?, token().await?];
        Ok(Self { algorithm, server, tokens })
    }

    fn presents(&self, token: &str, path: &str) -> Presented {
        Presented {
            jwks: format!("{}{path}", self.server.url()),
            token: token.to_owned(),
            algorithm: self.algorithm.to_owned(),
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
        }
    }

    /// Its first token with the signature of its second.
    fn forged(&self) -> String {
        let [(signed, _), (_, signature)] =
            self.tokens.each_ref().map(|token| token.rsplit_once('.').unwrap_or_default());
        format!("{signed}.{signature}")
    }
}

/// How the library says that a key was found and the signature is not its.
fn wrong_signature(reader: JwksReader) -> &'static str {
    match reader {
        JwksReader::PyJwt => "InvalidSignatureError",
        JwksReader::Jose => "JWSSignatureVerificationFailed",
        JwksReader::GoJose => "error in cryptographic primitive",
    }
}

fn assert_good(claims: &Value) {
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["aud"], json!([AUDIENCE]));
    assert_eq!((&claims["identifier"], &claims["sub"]), (&json!(IDENTIFIER), &json!(IDENTIFIER)));
    assert!(claims["jti"].is_string() && claims["jti"] == claims["token_id"], "{claims}");
    let seconds = |name: &str| claims[name].as_i64().unwrap_or_default();
    assert_eq!(seconds("exp") - seconds("iat"), LIFETIME_SECONDS);
}

#[tokio::test]
async fn every_library_takes_tokens_of_every_algorithm_and_refuses_others() -> Result<()> {
    let mut issuers = Vec::new();
    for algorithm in ALGORITHMS {
        issuers.push(Issuer::new(algorithm).await?);
    }
    let mut good = Vec::new();
    for issuer in &issuers {
        for path in ["/jwks", "/.well-known/jwks.json"] {
            good.push(issuer.presents(&issuer.tokens[0], path));
        }
    }
    let forged: Vec<_> =
        issuers.iter().map(|issuer| issuer.presents(&issuer.forged(), "/jwks")).collect();
    // Of the same algorithm, but of another key, for others, of somebody else.
    let stranger = Issuer::new(ALGORITHMS[0]).await?;
    let mut wrong = vec![issuers[0].presents(&stranger.tokens[0], "/jwks")];
    let known = issuers[0].presents(&issuers[0].tokens[0], "/jwks");
    wrong.push(Presented { audience: "others".into(), ..known.clone() });
    wrong.push(Presented { issuer: "https://else.example".into(), ..known.clone() });
    wrong.push(Presented { algorithm: "PS256".into(), ..known });

    for reader in JwksReader::ALL {
        for (presented, verdict) in good.iter().zip(reader.judge(&good)?) {
            match verdict {
                Verdict::Claims(claims) => assert_good(&claims),
                Verdict::Error(error) => panic!("{reader:?} refuses {presented:?}: {error}"),
            }
        }
        for (presented, verdict) in forged.iter().zip(reader.judge(&forged)?) {
            let expected = wrong_signature(reader);
            let said = matches!(&verdict, Verdict::Error(error) if error.contains(expected));
            assert!(said, "{reader:?} says to the forged {presented:?}: {verdict:?}");
        }
        for (presented, verdict) in wrong.iter().zip(reader.judge(&wrong)?) {
            assert!(matches!(verdict, Verdict::Error(_)), "{reader:?} accepts {presented:?}");
        }
    }
    Ok(())
}
