//! A file that is there whole or not at all.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::OFlags;

use super::RefusedSnapshot;

/// What a killed process left is younger than this if another one is at work on it.
const LEFT_BEHIND: Duration = Duration::from_secs(600);
/// As many as Linux follows.
const MAX_LINKS: usize = 40;

/// Opens a regular file for reading; `None` if there is none, or nothing in it yet.
pub(super) fn open(path: &Path, most_bytes: u64) -> Result<Option<File>, RefusedSnapshot> {
    // A pipe without a writer would hold us up before we could see that it is one.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(RefusedSnapshot::Unreadable(error.kind())),
    };
    let found = file.metadata().map_err(|error| RefusedSnapshot::Unreadable(error.kind()))?;
    if !found.is_file() {
        Err(RefusedSnapshot::NotAFile)
    } else if found.len() == 0 {
        Ok(None)
    } else if found.len() > most_bytes {
        Err(RefusedSnapshot::TooLarge)
    } else {
        Ok(Some(file))
    }
}

/// Writes a new file beside `path` and puts it in its place: whoever looks sees the old one or the
/// new one, whole, and so does who comes after a crash.
pub(super) fn replace<T>(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<T>,
) -> io::Result<T> {
    let path = resolve(path)?;
    let (directory, name) = place(&path)?;
    let (mut file, temporary) = TemporaryFile::create(directory, name)?;
    sweep(directory, name, &file);
    let value = write(&mut file)?;
    file.sync_all()?;
    temporary.rename(&path)?;
    // Where a directory cannot be synced a crash may bring the old file back, which is whole too.
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
    Ok(value)
}

/// Whether [`replace`] could write there, by making a file beside `path` and removing it.
pub(crate) fn probe(path: &Path) -> io::Result<()> {
    let path = resolve(path)?;
    let (directory, name) = place(&path)?;
    TemporaryFile::create(directory, name).map(drop)
}

/// Where a file is, and what it is called there.
fn place(path: &Path) -> io::Result<(&Path, &OsStr)> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    Ok((if directory == Path::new("") { Path::new(".") } else { directory }, name))
}

/// Where the links at the end of a path lead: a rename would replace the link instead of the file.
/// The last one may lead to a file that is not there yet.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => {
                let target = fs::read_link(&path)?;
                path = path.parent().unwrap_or(Path::new("")).join(target);
            }
            Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            // Renaming over a device or a pipe would remove it.
            Ok(found) if !found.is_file() => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
            }
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "too many symbolic links"))
}

/// A file that is removed unless it gets its place.
struct TemporaryFile(Option<PathBuf>);

impl TemporaryFile {
    fn create(directory: &Path, name: &OsStr) -> io::Result<(File, Self)> {
        let path = directory.join(temporary_name(name, rand::random()));
        // `create_new` (O_EXCL) follows no link and takes over no file that somebody else put there.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok((file, Self(Some(path))))
    }

    fn rename(mut self, to: &Path) -> io::Result<()> {
        if let Some(path) = &self.0 {
            fs::rename(path, to)?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = fs::remove_file(path);
        }
    }
}

fn temporary_name(name: &OsStr, random: u64) -> OsString {
    let mut temporary = OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{random:016x}.tmp"));
    temporary
}

/// Removes what killed processes left. Ages are told by the new file's own time: the file system's
/// clock need not be ours.
fn sweep(directory: &Path, name: &OsStr, new: &File) {
    let Ok(now) = new.metadata().and_then(|new| new.modified()) else { return };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_old = |found: fs::Metadata| {
            found.is_file()
                && found
                    .modified()
                    .is_ok_and(|then| now.duration_since(then).is_ok_and(|age| age > LEFT_BEHIND))
        };
        if is_temporary_of(name, &entry.file_name()) && entry.metadata().is_ok_and(is_old) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_temporary_of(name: &OsStr, found: &OsStr) -> bool {
    let random = found
        .as_encoded_bytes()
        .strip_prefix(b".")
        .and_then(|found| found.strip_prefix(name.as_encoded_bytes()))
        .and_then(|found| found.strip_prefix(b"."))
        .and_then(|found| found.strip_suffix(b".tmp"));
    random.is_some_and(|random| random.len() == 16 && random.iter().all(u8::is_ascii_hexdigit))
}
