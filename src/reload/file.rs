//! One look at files that may be anything: nothing that lies at a path can stop the reloader.
//!
//! Opening does not block (a FIFO would wait for a writer), only regular files are read, up to a
//! bound, and on a thread of its own, since a file system that has lost its server answers
//! nothing at all: the thread may hang, the look does not.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::fs::{Mode, OFlags};
use tokio::{sync::oneshot, time::timeout};

use crate::os_error::in_words;

/// Far above any file of keys, callers, certificates or CRLs.
pub const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// How long a look may take; one that takes longer counts as refused.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a file was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    /// The operating system's reason.
    #[error("cannot be read: {}", in_words(*.0))]
    Unreadable(io::ErrorKind),
    /// A FIFO, a socket or a device.
    #[error("is not a regular file")]
    NotRegular,
    /// Larger than [`MAX_BYTES`].
    #[error("is larger than 32 MiB")]
    TooLarge,
    /// The file system does not answer.
    #[error("cannot be read in time")]
    Late,
}

impl ReadFault {
    /// As in `/readyz`: a closed set.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable(_) => "unreadable",
            Self::NotRegular => "not a regular file",
            Self::TooLarge => "too large",
            Self::Late => "not read in time",
        }
    }
}

impl From<io::Error> for ReadFault {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error.kind())
    }
}

/// A file as it was loaded at the start. `Debug` shows its path alone: the content may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct LoadedFile {
    path: PathBuf,
    content: Arc<[u8]>,
}

impl LoadedFile {
    /// Reads a file, as [`read`] does.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read(path: &Path) -> Result<Self, ReadFault> {
        Ok(Self { path: path.to_owned(), content: read(path)?.into() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was in it.
    pub fn content(&self) -> &[u8] {
        &self.content
    }
}

impl fmt::Debug for LoadedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

/// Reads a regular file of at most [`MAX_BYTES`]. Blocks only where the file system does.
///
/// # Errors
/// [`ReadFault`], but never [`ReadFault::Late`].
pub fn read(path: &Path) -> Result<Vec<u8>, ReadFault> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(ReadFault::Unreadable(io::ErrorKind::IsADirectory));
    }
    if !metadata.is_file() {
        return Err(ReadFault::NotRegular);
    }
    if metadata.len() > MAX_BYTES {
        return Err(ReadFault::TooLarge);
    }
    let mut content = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // It may have grown meanwhile.
    file.take(MAX_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_BYTES { Err(ReadFault::TooLarge) } else { Ok(content) }
}

type Contents = Result<Vec<Vec<u8>>, ReadFault>;

/// Reads files again and again, one look at a time. While one hangs no other is begun: a dead file
/// system costs one thread, not one more at each look.
#[derive(Debug, Default)]
pub(super) struct FileLooks(Option<oneshot::Receiver<Contents>>);

impl FileLooks {
    /// The files' contents as they are now.
    pub(super) async fn read(&mut self, paths: &[PathBuf]) -> Contents {
        let paths = paths.to_vec();
        self.bounded(LOOK_TIMEOUT, move || paths.iter().map(|path| read(path)).collect()).await
    }

    async fn bounded(
        &mut self,
        limit: Duration,
        look: impl FnOnce() -> Contents + Send + 'static,
    ) -> Contents {
        if let Some(hanging) = &mut self.0 {
            // What it brings was read long ago.
            if timeout(limit, hanging).await.is_err() {
                return Err(ReadFault::Late);
            }
            self.0 = None;
        }
        let (found, mut contents) = oneshot::channel();
        // Not one of the runtime's threads: the process's end would wait for it.
        let begun = std::thread::Builder::new().name("look".into()).spawn(move || {
            // Nobody waits any longer at the process's end.
            let _ = found.send(look());
        });
        begun?;
        match timeout(limit, &mut contents).await {
            Ok(Ok(contents)) => contents,
            Ok(Err(_panicked)) => Err(ReadFault::Unreadable(io::ErrorKind::Other)),
            Err(_late) => {
                self.0 = Some(contents);
                Err(ReadFault::Late)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    #[test]
    fn only_regular_files_within_the_bound_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("file"), "content").unwrap();
        assert_eq!(read(&path("file")).as_deref(), Ok(&b"content"[..]));
        mknodat(CWD, path("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(read(&path("fifo")), Err(ReadFault::NotRegular));
        assert_eq!(read(Path::new("/dev/zero")), Err(ReadFault::NotRegular));
        File::create(path("large")).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(read(&path("large")), Err(ReadFault::TooLarge));
        let unreadable = |kind| Err(ReadFault::Unreadable(kind));
        assert_eq!(read(directory.path()), unreadable(io::ErrorKind::IsADirectory));
        assert_eq!(read(&path("none")), unreadable(io::ErrorKind::NotFound));
    }

    #[tokio::test]
    async fn a_look_that_hangs_is_late_and_no_second_one_is_begun() {
        const SOON: Duration = Duration::from_millis(10);
        let mut looks = FileLooks::default();
        let (release, released) = mpsc::channel::<()>();
        let hang = move || {
            let _ = released.recv();
            Ok(vec![b"old".to_vec()])
        };
        assert_eq!(looks.bounded(SOON, hang).await, Err(ReadFault::Late));
        let never = || unreachable!("the first still hangs");
        assert_eq!(looks.bounded(SOON, never).await, Err(ReadFault::Late));
        drop(release);
        let new = || Ok(vec![b"new".to_vec()]);
        let long = Duration::from_secs(20);
        assert_eq!(looks.bounded(long, new).await, Ok(vec![b"new".to_vec()]));
    }
}
