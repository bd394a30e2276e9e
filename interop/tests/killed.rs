//! The binary that a user runs, killed without warning: what was spent stays
//! spent, what was registered stays registered.

use anyhow::Result;
use countersign_core::KeyKind;
use interop::{Caller, Countersign};

#[tokio::test]
async fn a_token_is_spent_before_and_after_kill_9() -> Result<()> {
    // Wide enough that the busiest machine restarts inside the window.
    let mut server = Countersign::start_with(&["--tolerance", "5m"]).await?;
    let caller = Caller::new("robot", KeyKind::Ed25519)?;
    server.account(caller.account(), &[caller.public_key()])?;

    let mut spent = Vec::new();
    for _ in 0..20 {
        let authorization = caller.authorization()?;
        assert_eq!(server.asks(&authorization).await?.0, 200);
        spent.push(authorization);
    }
    let unspent = caller.authorization()?;
    // Nothing lies between the last acceptance and the end of the process.
    server.restart().await?;
    for authorization in &spent {
        assert_eq!(server.asks(authorization).await?, (401, String::new()));
    }
    // Still inside the window, or the refusals above would prove nothing.
    assert_eq!(server.asks(&unspent).await?, (200, "robot".to_owned()));
    Ok(())
}

#[tokio::test]
async fn revocation_and_disabling_hold_from_the_next_request_on_and_after_kill_9() -> Result<()> {
    let mut server = Countersign::start().await?;
    let [revoked, disabled] = ["revoked", "disabled"].map(|name| Caller::new(name, KeyKind::P256));
    let (revoked, disabled) = (revoked?, disabled?);
    for caller in [&revoked, &disabled] {
        server.account(caller.account(), &[caller.public_key()])?;
        assert_eq!(server.asks(&caller.authorization()?).await?.0, 200);
    }
    server.run(&["key", "revoke", "revoked", revoked.fingerprint()])?;
    server.run(&["account", "disable", "disabled"])?;
    for caller in [&revoked, &disabled] {
        assert_eq!(server.asks(&caller.authorization()?).await?.0, 401);
    }
    server.restart().await?;
    for caller in [&revoked, &disabled] {
        assert_eq!(server.asks(&caller.authorization()?).await?.0, 401);
    }
    server.run(&["account", "enable", "disabled"])?;
    assert_eq!(server.asks(&disabled.authorization()?).await?.0, 200);
    Ok(())
}
