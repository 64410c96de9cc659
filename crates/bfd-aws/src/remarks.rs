//! What was seen while looking that is no object, and that a plan should tell.

use bfd_core::Address;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// By the address of what was looked for; the last look counts.
#[derive(Debug, Default)]
pub(crate) struct Remarks(Mutex<BTreeMap<Address, String>>);

impl Remarks {
    pub(crate) fn put(&self, address: &Address, remark: Option<String>) {
        let mut remarks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match remark {
            Some(remark) => remarks.insert(address.clone(), remark),
            None => remarks.remove(address),
        };
    }

    pub(crate) fn all(&self) -> BTreeMap<Address, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
