//! `wasi:filesystem`: read-only mounts.
//!
//! Paths are resolved by wasmtime-wasi, which keeps them within their mount. What changes anything is not
//! asked of it: it is refused here, whatever it is done to and by which flags.

use std::fs::File;
use std::sync::Arc;

use sandpiper_core::DenialReason;
use sandpiper_kernel::{World, path_is_reserved};
use wasmtime::component::{HasData, Resource, ResourceTableError};
use wasmtime_wasi::filesystem::{Descriptor, Dir, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream,
    ErrorCode, Filesize, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp,
    OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};
use wasmtime_wasi::{FsPerms, OpenMode};

use super::Command;
use super::streams::FileReader;
use crate::store::State;

/// Most listings of directories that are open: each holds all names of its directory.
const MAX_LISTINGS: usize = 64;

pub(super) struct Files;

impl HasData for Files {
    type Data<'a> = View<'a>;
}

pub(super) struct View<'a> {
    wasi: WasiFilesystemCtxView<'a>,
    world: &'a Arc<World>,
    directories: &'a [(String, Arc<File>)],
    listings: &'a mut usize,
}

pub(super) fn view(state: &mut State<Command>) -> View<'_> {
    let Command { world, wasi, table, directories, listings, .. } = &mut state.guest;
    View { wasi: WasiFilesystemCtxView { ctx: wasi.filesystem(), table }, world, directories, listings }
}

type Fd = Resource<Descriptor>;

impl View<'_> {
    fn deny(&self, operation: &str, subject: &str, reason: DenialReason) {
        self.world.deny(operation, subject, reason);
    }

    /// Refuses what would change something.
    fn refuse<T>(&self, operation: &str, subject: &str) -> FsResult<T> {
        self.deny(operation, subject, DenialReason::ReadOnly);
        Err(ErrorCode::ReadOnly.into())
    }

    /// Refuses names that are no files on this platform.
    fn check_path(&self, operation: &str, path: &str) -> FsResult<()> {
        if path_is_reserved(path) {
            self.deny(operation, path, DenialReason::ReservedName);
            return Err(ErrorCode::Invalid.into());
        }
        Ok(())
    }

    /// Records what the path sandbox did not let out of its mount, and what found no free handle.
    fn told<T>(&self, operation: &str, path: &str, result: FsResult<T>) -> FsResult<T> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        match error.downcast() {
            // Reading needs no permission of the mount's, so it is the path that is not permitted.
            Ok(ErrorCode::NotPermitted) => {
                self.deny(operation, path, DenialReason::Escape);
                Err(ErrorCode::NotPermitted.into())
            }
            Ok(code) => Err(code.into()),
            Err(err) if matches!(err.downcast_ref(), Some(ResourceTableError::Full)) => {
                self.deny(operation, path, DenialReason::DescriptorLimit);
                Err(ErrorCode::Quota.into())
            }
            Err(err) => Err(FsError::trap(err)),
        }
    }

    /// The file that a descriptor is of.
    fn file(&self, fd: &Fd) -> FsResult<Arc<File>> {
        match self.wasi.table.get(fd)? {
            Descriptor::File(file) => Ok(Arc::clone(&file.file)),
            Descriptor::Dir(_) => Err(ErrorCode::IsDirectory.into()),
        }
    }
}

impl preopens::Host for View<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        let mut preopens = Vec::with_capacity(self.directories.len());
        for (path, directory) in self.directories {
            // Files are read on this thread: another would be left behind, and be started behind a wall.
            let directory = Dir::new(directory.try_clone()?, FsPerms::ReadOnly, OpenMode::READ, true);
            preopens.push((self.wasi.table.push(Descriptor::Dir(directory))?, path.clone()));
        }
        Ok(preopens)
    }
}

impl types::Host for View<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        types::Host::filesystem_error_code(&mut self.wasi, error)
    }
}

impl HostDescriptor for View<'_> {
    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        let reader = FileReader::new(self.file(&fd)?, offset, Arc::clone(self.world));
        let reader: DynInputStream = Box::new(reader);
        let pushed = self.wasi.table.push(reader).map_err(FsError::from);
        self.told("read-via-stream", "", pushed)
    }

    fn write_via_stream(&mut self, _fd: Fd, _offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        self.refuse("write-via-stream", "")
    }

    fn append_via_stream(&mut self, _fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        self.refuse("append-via-stream", "")
    }

    /// Advice changes nothing that the guest could tell.
    async fn advise(
        &mut self,
        fd: Fd,
        _offset: Filesize,
        _length: Filesize,
        _advice: Advice,
    ) -> FsResult<()> {
        match self.wasi.table.get(&fd)? {
            Descriptor::File(_) => Ok(()),
            Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    /// Nothing of the guest's waits to be written, and the host's own files can take seconds.
    async fn sync_data(&mut self, _fd: Fd) -> FsResult<()> {
        Ok(())
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        self.wasi.get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        self.wasi.get_type(fd).await
    }

    async fn set_size(&mut self, _fd: Fd, _size: Filesize) -> FsResult<()> {
        self.refuse("set-size", "")
    }

    async fn set_times(&mut self, _fd: Fd, _accessed: NewTimestamp, _modified: NewTimestamp) -> FsResult<()> {
        self.refuse("set-times", "")
    }

    async fn read(&mut self, fd: Fd, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        let (bytes, end) = self.wasi.read(fd, length, offset).await?;
        self.world.count_read(bytes.len());
        Ok((bytes, end))
    }

    async fn write(&mut self, _fd: Fd, _bytes: Vec<u8>, _offset: Filesize) -> FsResult<Filesize> {
        self.refuse("write", "")
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        if *self.listings >= MAX_LISTINGS {
            self.deny("read-directory", "", DenialReason::SizeLimit);
            return Err(ErrorCode::Quota.into());
        }
        let listing = self.wasi.read_directory(fd).await;
        let listing = self.told("read-directory", "", listing)?;
        *self.listings += 1;
        Ok(listing)
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.sync_data(fd).await
    }

    async fn create_directory_at(&mut self, _fd: Fd, path: String) -> FsResult<()> {
        self.refuse("create-directory-at", &path)
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        self.wasi.stat(fd).await
    }

    async fn stat_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        self.check_path("stat-at", &path)?;
        let stat = self.wasi.stat_at(fd, flags, path.clone()).await;
        self.told("stat-at", &path, stat)
    }

    async fn set_times_at(
        &mut self,
        _fd: Fd,
        _flags: PathFlags,
        path: String,
        _accessed: NewTimestamp,
        _modified: NewTimestamp,
    ) -> FsResult<()> {
        self.refuse("set-times-at", &path)
    }

    async fn link_at(
        &mut self,
        _fd: Fd,
        _flags: PathFlags,
        _path: String,
        _new_fd: Fd,
        new_path: String,
    ) -> FsResult<()> {
        self.refuse("link-at", &new_path)
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        self.check_path("open-at", &path)?;
        let changes = OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
        if open_flags.intersects(changes) || flags.contains(DescriptorFlags::WRITE) {
            return self.refuse("open-at", &path);
        }
        // To open a FIFO is to wait on the host's thread, and devices are not files.
        let stat = self.wasi.stat_at(Resource::new_borrow(fd.rep()), path_flags, path.clone()).await;
        let kind = self.told("open-at", &path, stat)?.type_;
        if !matches!(
            kind,
            DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink
        ) {
            self.deny("open-at", &path, DenialReason::Unsupported);
            return Err(ErrorCode::NoSuchDevice.into());
        }
        let opened = self.wasi.open_at(fd, path_flags, path.clone(), open_flags, flags).await;
        self.told("open-at", &path, opened)
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.check_path("readlink-at", &path)?;
        let target = self.wasi.readlink_at(fd, path.clone()).await;
        self.told("readlink-at", &path, target)
    }

    async fn remove_directory_at(&mut self, _fd: Fd, path: String) -> FsResult<()> {
        self.refuse("remove-directory-at", &path)
    }

    async fn rename_at(&mut self, _fd: Fd, path: String, _new_fd: Fd, _new_path: String) -> FsResult<()> {
        self.refuse("rename-at", &path)
    }

    async fn symlink_at(&mut self, _fd: Fd, _target: String, path: String) -> FsResult<()> {
        self.refuse("symlink-at", &path)
    }

    async fn unlink_file_at(&mut self, _fd: Fd, path: String) -> FsResult<()> {
        self.refuse("unlink-file-at", &path)
    }

    async fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        self.wasi.is_same_object(a, b).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        self.wasi.metadata_hash(fd).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.check_path("metadata-hash-at", &path)?;
        let hash = self.wasi.metadata_hash_at(fd, flags, path.clone()).await;
        self.told("metadata-hash-at", &path, hash)
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        HostDescriptor::drop(&mut self.wasi, fd)
    }
}

impl HostDirectoryEntryStream for View<'_> {
    async fn read_directory_entry(
        &mut self,
        listing: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.wasi.read_directory_entry(listing).await
    }

    fn drop(&mut self, listing: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.wasi, listing)?;
        *self.listings = self.listings.saturating_sub(1);
        Ok(())
    }
}
