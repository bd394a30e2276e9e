//! A tonic service that knows the public key of an issuer.

use anyhow::Result;

use crate::support::Place;

const SERVICE: &str = env!("CARGO_BIN_EXE_grpc-service");
const CLIENT: &str = env!("CARGO_BIN_EXE_grpc-client");

#[tokio::test]
async fn a_call_has_an_identity_or_a_grpc_status() -> Result<()> {
    let place = Place::new()?;
    place.key_pair("issuer")?;
    place.key_pair("stranger")?;
    let service = place.serve(place.command(SERVICE).args(["--listen", "127.0.0.1:0"])).await?;

    let printed = place.run(CLIENT, &["--account", "worker-7", &service.url])?;
    assert_eq!(printed, "worker-7 in [\"billing\"]\n");
    let error = place.run(CLIENT, &["--key", "stranger", &service.url]).unwrap_err().to_string();
    assert!(error.contains("not have valid authentication"), "{error}");
    Ok(())
}
