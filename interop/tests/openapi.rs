//! What the documents say is what the server does: calls are made up from them, right
//! and wrong ones, and every answer is compared with what is documented.

use anyhow::{Context as _, Result, ensure};
use interop::{Countersign, Request, Schemathesis};
use serde_json::Value;

const IDENTIFIER: &str = "5d8f6a3a-2e5b-4c0e-9a53-6a7b9d0c1e2f";

/// Whether a value is good cannot always be said in a schema: that of a key, for example.
/// What is accepted is for other tests.
const UNSAYABLE: &str = "positive_data_acceptance";

/// Everything that can be switched on, under a prefix.
async fn start() -> Result<Countersign> {
    Countersign::start_with(&["--url-prefix", "/auth", "--registration", "public"]).await
}

async fn fetch(base: &str, path: &str) -> Result<String> {
    let answer = Request::get(path).send(base).await?;
    ensure!(answer.status == 200, "{path}: {answer:?}");
    Ok(answer.body)
}

#[tokio::test]
async fn both_documents_are_valid() -> Result<()> {
    let server = start().await?;
    for (base, path, name) in [
        (server.url(), "/auth/openapi.json", "public.json"),
        (server.internal_url(), "/openapi.json", "internal.json"),
    ] {
        let document = fetch(base, path).await?;
        ensure!(document.starts_with(r#"{"openapi":"3.1."#), "{path} is not of 3.1");
        Schemathesis::validate(&server.file(name, document)?)?;
    }
    Ok(())
}

#[tokio::test]
async fn the_public_listener_does_what_its_document_says() -> Result<()> {
    let server = start().await?;
    let token = server.access_token_under("/auth", "a key", IDENTIFIER).await?;
    Schemathesis {
        document: format!("{}/auth/openapi.json", server.url()),
        account: "admin".to_owned(),
        key: server.admin_key(),
        audience: None,
        access_token: Some(token),
        without: vec![
            UNSAYABLE,
            // `/forward-auth` knows every method, also those that a document cannot name.
            "unsupported_method",
            // `/validate_request` says 403 where there is no credential, as its gateways expect.
            "missing_required_header",
        ],
    }
    .run()
}

#[tokio::test]
async fn the_internal_listener_does_what_its_document_says() -> Result<()> {
    let server = start().await?;
    let instance: Value =
        serde_json::from_str(&fetch(server.internal_url(), "/v1/instance").await?)?;
    Schemathesis {
        document: format!("{}/openapi.json", server.internal_url()),
        account: "admin".to_owned(),
        key: server.admin_key(),
        audience: Some(instance["instance_id"].as_str().context("no instance id")?.to_owned()),
        access_token: None,
        without: vec![UNSAYABLE],
    }
    .run()
}
