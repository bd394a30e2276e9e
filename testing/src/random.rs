//! Names and passwords that nobody else has, and ports that few have.

use std::fs::File;
use std::io::Read as _;

use anyhow::{Context as _, Result};

/// 32 hexadecimal digits. The kernel's generator needs no crate, so that `xtask`
/// stays quick to compile.
pub(crate) fn name() -> Result<String> {
    Ok(format!("{:032x}", u128::from_be_bytes(bytes()?)))
}

/// A number.
pub(crate) fn number() -> Result<u16> {
    Ok(u16::from_be_bytes(bytes()?))
}

fn bytes<const LENGTH: usize>() -> Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(bytes)
}
