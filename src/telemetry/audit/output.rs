//! Where the bytes go: a stream, or a file that may be renamed under us.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

/// What takes the bytes of a batch.
pub(super) trait AuditOutput: Send {
    /// Called before each batch. `Some` when it goes to another place than the last one: whether
    /// that ends in the middle of a line.
    fn ready(&mut self) -> io::Result<Option<bool>>;

    /// Takes the bytes: what it has taken is out of the process.
    fn writer(&mut self) -> &mut dyn Write;
}

/// Standard output, or what a test looks at.
pub(super) struct WriterOutput<W>(pub(super) W);

impl<W: Write + Send> AuditOutput for WriterOutput<W> {
    fn ready(&mut self) -> io::Result<Option<bool>> {
        Ok(None)
    }

    fn writer(&mut self) -> &mut dyn Write {
        &mut self.0
    }
}

/// A file that is appended to, and opened again once its name means another one.
pub(super) struct AuditFile {
    path: PathBuf,
    file: File,
    /// Device and inode of `file`.
    identity: (u64, u64),
    /// Not yet reported: whether the file ended in the middle of a line when it was opened.
    torn: Option<bool>,
}

impl AuditFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            // A named pipe must not keep the start waiting for a reader.
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let torn = ends_within_a_line(&file, metadata.len())?;
        Ok(Self { path: path.into(), file, identity: identity(&metadata), torn: Some(torn) })
    }

    fn is_renamed(&self) -> io::Result<bool> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) => Ok(identity(&metadata) != self.identity),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl AuditOutput for AuditFile {
    fn ready(&mut self) -> io::Result<Option<bool>> {
        if self.is_renamed()? {
            *self = Self::open(&self.path)?;
        }
        Ok(self.torn.take())
    }

    fn writer(&mut self) -> &mut dyn Write {
        &mut self.file
    }
}

/// Whether the file at `path` could be opened for records. One that is not there yet is not made:
/// another is made beside it, and removed.
pub(crate) fn probe(path: &Path) -> io::Result<()> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    match OpenOptions::new().read(true).append(true).custom_flags(flags).open(path) {
        Ok(file) if file.metadata()?.is_file() => Ok(()),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = format!(".sddc-gateway-check.{:016x}.tmp", rand::random::<u64>());
            let beside = path.with_file_name(name);
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
            std::fs::remove_file(beside)
        }
        Err(error) => Err(error),
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn ends_within_a_line(file: &File, length: u64) -> io::Result<bool> {
    let Some(last) = length.checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    file.read_exact_at(&mut byte, last)?;
    Ok(byte != *b"\n")
}
