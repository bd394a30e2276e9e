//! Names and passwords that nobody else has.

use std::fs::File;
use std::io::Read as _;

use anyhow::{Context as _, Result};

/// 32 hexadecimal digits. The kernel's generator needs no crate, so that `xtask`
/// stays quick to compile.
pub(crate) fn name() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
