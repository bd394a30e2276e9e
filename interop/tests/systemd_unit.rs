//! The unit of the Debian package: understood by systemd, and of little use to who breaks in.

use anyhow::Result;
use interop::Unit;

/// The highest exposure that we ship, in tenths.
const EXPOSURE: u32 = 25;

#[test]
fn systemd_has_nothing_to_say_of_the_unit() -> Result<()> {
    let verdict = Unit::shipped(|unit| unit)?.verify()?;
    assert!(verdict.good && verdict.said.is_empty(), "{}", verdict.said);

    let misspelt = Unit::shipped(|unit| unit.replace("ProtectHome=", "ProtectHouse="))?;
    let verdict = misspelt.verify()?;
    assert!(verdict.said.contains("ProtectHouse"), "{}", verdict.said);
    Ok(())
}

#[test]
fn the_unit_exposes_little() -> Result<()> {
    let verdict = Unit::shipped(|unit| unit)?.exposes_at_most(EXPOSURE)?;
    assert!(verdict.good, "{}", verdict.said);

    let without = |unit: String| unit.replace("SystemCallFilter=", "#").replace("Protect", "#");
    let verdict = Unit::shipped(without)?.exposes_at_most(EXPOSURE)?;
    assert!(!verdict.good, "{}", verdict.said);
    Ok(())
}
