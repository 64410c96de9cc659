//! What was seen while looking that is no object, and that a plan should tell.

use bfd_core::Address;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

/// By the address of what was looked for, of which the last look counts; and about roles.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    objects: Mutex<BTreeMap<Address, String>>,
    roles: Mutex<BTreeSet<String>>,
}

impl Remarks {
    pub(crate) fn put(&self, address: &Address, remark: Option<String>) {
        let mut remarks = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        match remark {
            Some(remark) => remarks.insert(address.clone(), remark),
            None => remarks.remove(address),
        };
    }

    pub(crate) fn all(&self) -> BTreeMap<Address, String> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers a role that may not be assumed, by its ARN.
    pub(crate) fn denied(&self, role: &str) {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner).insert(role.to_owned());
    }

    pub(crate) fn denied_roles(&self) -> BTreeSet<String> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
