//! Go programs of `interop/go`, compiled with the libraries that Debian packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{debian, once};
use crate::run;
use crate::workspace;

/// Debian's package of `gopkg.in/square/go-jose.v2`, and where it and what it
/// needs lie: a `GOPATH`.
const GO_JOSE: &str = "golang-gopkg-square-go-jose.v2-dev";
const GO_PATH: &str = "usr/share/gocode";
const GO_JOSE_SOURCE: &str = "src/gopkg.in/square/go-jose.v2";

/// The program from the file `interop/go/NAME.go`; compiled anew when that file
/// or the compiler changes.
pub(super) fn program(directory: &Path, debian: &Path, name: &str) -> Result<PathBuf> {
    let compiler = debian::program(debian, "golang-go", "go")?;
    let libraries = libraries(debian)?;
    let file = workspace::root().join("interop/go").join(format!("{name}.go"));
    let source =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let place = directory.join(name);
    let program = place.join(name);
    let key = format!("{}\n{}\n{source}", compiler.display(), libraries.display());
    once(&place, &key, |place| {
        println!("compiling interop/go/{name}.go");
        let cache = place.join("cache");
        let mut build = Command::new(&compiler);
        build.arg("build").arg("-o").arg(&program).arg(&file);
        // Only what lies there already: nothing is fetched.
        build.env("GO111MODULE", "off").env("GOFLAGS", "").env("GOPROXY", "off");
        build.env("GOPATH", &libraries).env("GOCACHE", &cache).env("CGO_ENABLED", "0");
        run::capture(&mut build).with_context(|| format!("cannot compile {}", file.display()))?;
        // The program needs none of it, and it is larger than all the rest.
        fs::remove_dir_all(&cache).with_context(|| format!("cannot remove {}", cache.display()))
    })?;
    Ok(program)
}

/// The `GOPATH` of this machine's package, or of the unpacked one.
fn libraries(debian: &Path) -> Result<PathBuf> {
    let installed = Path::new("/").join(GO_PATH);
    if installed.join(GO_JOSE_SOURCE).is_dir() {
        return Ok(installed);
    }
    Ok(debian::unpacked(debian, GO_JOSE)?.join(GO_PATH))
}
