//! The data folder: made on the first start, held by one process at a time.
//!
//! Invariant: while a [`DataFolder`] lives, no other process of ours has the same folder.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The data folder, locked.
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder if it is not there (readable by its owner alone) and locks it.
    ///
    /// # Errors
    /// It cannot be made or written, or another process holds it.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        use anyhow::Context;
        let run = path.join("run");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&run)
            .with_context(|| format!("the data folder {} cannot be made", path.display()))?;
        let lock = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(run.join("lock"))
            .with_context(|| format!("the data folder {} cannot be written", path.display()))?;
        lock.try_lock().with_context(|| {
            format!(
                "another facteur runs on the data folder {}; stop it first, or set another with `data`",
                path.display()
            )
        })?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the addresses that are listened on, for scripts and tests: whole or not at all.
    ///
    /// # Errors
    /// The disk failed.
    pub fn write_addresses(&self, json: &str) -> std::io::Result<()> {
        let path = self.path.join("run/addresses.json");
        let temporary = self.path.join("run/addresses.json.new");
        File::create(&temporary)?.write_all(json.as_bytes())?;
        fs::rename(temporary, path)
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.path.join("run/addresses.json"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_holds_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let held = DataFolder::open(folder.path()).unwrap();
        let refused = DataFolder::open(folder.path()).err().unwrap().to_string();
        assert!(refused.contains("another facteur runs"), "{refused}");
        drop(held);
        DataFolder::open(folder.path()).unwrap();
    }
}
