//! A Rust service that takes the access tokens of a real server, by its key set and by
//! asking it.

use std::sync::Arc;

use anyhow::Result;
use countersign_client::Service;
use countersign_store::{HttpFetcher, JwksKeys, JwksRules, JwksUrl};
use countersign_system::{SystemClock, SystemRandom};
use countersign_tower::{BearerTokens, Policy};
use interop::{Countersign, Guarded};

const IDENTIFIER: &str = "5d8f6a3a-2e5b-4c0e-9a53-6a7b9d0c1e2f";
const ISSUER: &str = "https://auth.example";
const AUDIENCE: &str = "things";

/// The account that a policy takes a token's bearer for, or the status.
async fn outcome(policy: &Policy, token: &str) -> Result<Result<String, u16>> {
    let answer = Guarded::by(policy, &[&format!("Bearer {token}")]).await?;
    Ok(answer.account().map(str::to_owned))
}

/// A policy that trusts the set at a URL, with its first fetch done.
async fn trusting(url: &str, audience: &str) -> Result<Policy> {
    let rules = JwksRules { dangerous_allow_insecure: true };
    let url = JwksUrl::parse(url, &rules)?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let keys = JwksKeys::start(url, Arc::new(HttpFetcher::new(rules)), clock, random);
    keys.fetched().await;
    let tokens = BearerTokens::keys(Arc::new(keys)).issuer(ISSUER).audience(audience);
    Ok(Policy::accepting(tokens).build()?)
}

fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", signature.get(1..).unwrap_or_default())
}

#[tokio::test]
async fn a_service_takes_a_servers_tokens_by_its_key_set_and_by_asking_it() -> Result<()> {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let server = Countersign::start_with(&[
            "--signing-algorithm",
            algorithm,
            "--issuer",
            ISSUER,
            "--token-audiences",
            AUDIENCE,
        ])
        .await?;
        let token = server.access_token("key of the caller", IDENTIFIER).await?;
        let jwks = format!("{}/jwks", server.url());
        let by_keys = trusting(&jwks, AUDIENCE).await?;
        let service = Service::at(server.url().parse()?).build()?;
        let asking =
            BearerTokens::validated_by(Arc::new(service)).issuer(ISSUER).audience(AUDIENCE);
        let asking = Policy::accepting(asking).build()?;
        for policy in [&by_keys, &asking] {
            assert_eq!(outcome(policy, &token).await?.as_deref(), Ok(IDENTIFIER), "{algorithm}");
            assert_eq!(outcome(policy, &forged(&token)).await?, Err(401), "{algorithm}");
            assert_eq!(outcome(policy, "a.b.c").await?, Err(401), "{algorithm}");
        }
        let other = trusting(&jwks, "other things").await?;
        assert_eq!(outcome(&other, &token).await?, Err(401), "{algorithm}");

        // A revocation holds on the next request where the server is asked, and is not
        // written in the token.
        server.run(&["token", "revoke", "--account", IDENTIFIER])?;
        assert_eq!(outcome(&asking, &token).await?, Err(401), "{algorithm}");
        assert_eq!(outcome(&by_keys, &token).await?.as_deref(), Ok(IDENTIFIER), "{algorithm}");
    }
    Ok(())
}

#[tokio::test]
async fn an_outage_of_the_server_is_no_refusal() -> Result<()> {
    let mut server = Countersign::start().await?;
    let token = server.access_token("key of the caller", IDENTIFIER).await?;
    let service = Service::at(server.url().parse()?).build()?;
    let asking = BearerTokens::validated_by(Arc::new(service));
    let asking = Policy::accepting(asking).build()?;
    assert_eq!(outcome(&asking, &token).await?.as_deref(), Ok(IDENTIFIER));
    server.kill()?;
    assert_eq!(outcome(&asking, &token).await?, Err(503));
    Ok(())
}
