//! The files of all services.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    path::{Path, PathBuf},
};

use crate::{
    positions::ServicePosition,
    service_log::{Cap, ServiceLog},
};

/// The files of all services.
#[derive(Debug)]
pub(crate) struct ServiceLogs {
    directory: PathBuf,
    cap: Cap,
    logs: BTreeMap<String, ServiceLog>,
}

impl ServiceLogs {
    pub(crate) fn new(directory: &Path, cap: Cap) -> Self {
        Self {
            directory: directory.to_owned(),
            cap,
            logs: BTreeMap::new(),
        }
    }

    /// As [`ServiceLog::resume`].
    pub(crate) fn resume(&mut self, service: &str, position: &ServicePosition) -> io::Result<()> {
        let log = ServiceLog::resume(&self.directory, service, self.cap, position)?;
        self.logs.insert(service.to_owned(), log);
        Ok(())
    }

    /// A service's file, opened if it is not yet.
    pub(crate) fn open(&mut self, service: &str) -> io::Result<&mut ServiceLog> {
        Ok(match self.logs.entry(service.to_owned()) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(entry) => {
                entry.insert(ServiceLog::open(&self.directory, service, self.cap)?)
            }
        })
    }

    /// What to note of them.
    pub(crate) fn positions(&self) -> BTreeMap<String, ServicePosition> {
        self.logs
            .iter()
            .map(|(service, log)| (service.clone(), log.position()))
            .collect()
    }

    /// What was written reaches the disk.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.logs.values_mut().try_for_each(ServiceLog::sync)
    }
}
