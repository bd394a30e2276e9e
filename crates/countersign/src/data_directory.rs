//! The data directory: ours alone, served by one process at a time.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::files;

mod server_file;

pub(crate) use server_file::ServerFile;

/// Where the system's own services keep their state.
const SYSTEM_DIRECTORY: &str = "/var/lib/countersign";

/// The data directory unless one is named: the system's for root, else the
/// user's own (XDG Base Directory Specification).
pub(crate) fn default_path() -> Result<PathBuf, Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(SYSTEM_DIRECTORY.into());
    }
    let variable = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    variable("XDG_DATA_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("countersign"))
        .ok_or_else(|| {
            Failure::usage("there is no home directory to keep data in: give --data-dir DIR")
        })
}

/// Names inside a data directory.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub(crate) directory: PathBuf,
}

impl Paths {
    pub(crate) fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// Accounts, keys, audit trail and spent nonces.
    pub(crate) fn database(&self) -> PathBuf {
        self.directory.join("countersign.db")
    }

    /// The private key of the account `admin` that the first start makes.
    pub(crate) fn admin_key(&self) -> PathBuf {
        self.directory.join("admin.key")
    }

    /// The key that seals secrets in the database, unless one is given.
    pub(crate) fn encryption_key(&self) -> PathBuf {
        self.directory.join("encryption.key")
    }

    /// A key that is about to take its place.
    pub(crate) fn waiting_encryption_key(&self) -> PathBuf {
        self.directory.join("encryption.key.new")
    }

    /// Spent nonces, where everything else is on a server.
    pub(crate) fn nonces(&self) -> PathBuf {
        self.directory.join("nonces.db")
    }

    /// Where a running server can be found.
    pub(crate) fn server_file(&self) -> PathBuf {
        self.directory.join("server.json")
    }

    fn lock(&self) -> PathBuf {
        self.directory.join("lock")
    }
}

/// A data directory that this process alone may use. The lock goes with the
/// process, whatever ends it.
pub(crate) struct DataDirectory {
    pub(crate) paths: Paths,
    _lock: File,
}

impl DataDirectory {
    /// Opens the directory, making it if there is none.
    ///
    /// # Errors
    /// A [`Failure`] if it is not ours alone or another process serves it.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| Failure::file(directory, "make", &error))?;
        check_private(directory)?;
        let paths = Paths::new(directory);
        let lock = lock(&paths)?;
        Ok(Self { paths, _lock: lock })
    }

    /// Makes the database's file, if there is none, so that only its owner can
    /// read it; SQLite gives the files beside it the same mode.
    pub(crate) fn prepare_database(path: &Path) -> Result<(), Failure> {
        match files::create_new(path, 0o600, b"") {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Failure::file(path, "write", &error))
            }
            _ => Ok(()),
        }
    }

    /// Opens a directory that must be there already.
    ///
    /// # Errors
    /// As [`open`](Self::open), and if there is no such directory.
    pub(crate) fn open_existing(directory: &Path) -> Result<Self, Failure> {
        if !directory.is_dir() {
            return Err(Failure::usage(format_args!(
                "there is no data directory {}: name the server's with --data-dir",
                directory.display()
            )));
        }
        Self::open(directory)
    }
}

/// Whoever can write here decides who is an administrator, and whoever can read
/// here is one.
///
/// # Errors
/// A [`Failure`] if anybody but its owner, which is this process's user, can.
pub(crate) fn check_private(directory: &Path) -> Result<(), Failure> {
    let found =
        std::fs::metadata(directory).map_err(|error| Failure::file(directory, "read", &error))?;
    let (owner, us) = (found.uid(), rustix::process::geteuid().as_raw());
    if owner != us {
        return Err(Failure::usage(format_args!(
            "{} belongs to user {owner}, but this is user {us}: run as its owner, or choose another --data-dir",
            directory.display(),
        )));
    }
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Failure::usage(format_args!(
            "{} has mode {mode:04o}, expected 0700, so that other users cannot read its keys: run `chmod 700 {}`",
            directory.display(),
            directory.display(),
        )));
    }
    Ok(())
}

fn lock(paths: &Paths) -> Result<File, Failure> {
    let path = paths.lock();
    let open = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = open.map_err(|error| Failure::file(&path, "open", &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(in_use(paths)),
        Err(TryLockError::Error(error)) => Err(Failure::file(&path, "lock", &error)),
    }
}

fn in_use(paths: &Paths) -> Failure {
    let who = match ServerFile::read(&paths.server_file()) {
        Ok(Some(server)) => format!(" (process {}, at {})", server.pid, server.public),
        _ => String::new(),
    };
    Failure::usage(format_args!(
        "{} is in use by a running server{who}: stop it first, or choose another --data-dir",
        paths.directory.display()
    ))
}

/// Makes what was created or renamed in the directory outlast a loss of power.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn one_process_at_a_time_and_nobody_else() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("deep/data");
        let first = DataDirectory::open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
        let refused = DataDirectory::open(&path).err().unwrap();
        assert!(refused.to_string().contains("in use by a running server"), "{refused}");
        drop(first);

        std::fs::set_permissions(&path, Permissions::from_mode(0o750)).unwrap();
        let refused = DataDirectory::open(&path).err().unwrap();
        assert!(refused.to_string().contains("mode 0750, expected 0700"), "{refused}");
    }
}
