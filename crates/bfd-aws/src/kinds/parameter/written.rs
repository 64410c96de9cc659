//! Telling whether a parameter was written since it was recorded.

use crate::Aws;
use aws_sdk_ssm::types::ParameterMetadata;
use bfd_core::{Properties, Value};
use std::time::SystemTime;

/// Seconds between the service's clock and ours that still count as the same moment.
const CLOSE: i64 = 5;
/// The same where the value cannot be read to make sure. Beyond a quarter of an hour
/// AWS refuses signatures, so no clock is further off.
const BLIND: i64 = 15 * 60;

/// Which write a value is from.
///
/// The version alone does not tell: a parameter that was deleted and created again starts
/// over. PutParameter does not answer with a time, so ours stands in for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) version: i64,
    /// Seconds since 1970.
    pub(crate) at: i64,
}

impl Written {
    /// A write that was just answered.
    pub(crate) fn now(aws: &Aws, version: i64) -> Self {
        let since = aws.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { version, at: i64::try_from(since.as_secs()).unwrap_or(i64::MAX) }
    }

    pub(crate) fn observed(parameter: &ParameterMetadata) -> Self {
        let at = parameter.last_modified_date.map_or(0, |date| date.secs());
        Self { version: parameter.version, at }
    }

    pub(crate) fn recorded(outputs: &Properties) -> Option<Self> {
        Self::read(outputs.get("version"), outputs.get("last_modified"))
    }

    pub(crate) fn read(version: Option<&Value>, at: Option<&Value>) -> Option<Self> {
        Some(Self { version: version?.as_i64()?, at: at?.as_i64()? })
    }

    /// Whether the two are the same write. When in doubt the value is read.
    pub(crate) fn is(self, other: Self) -> bool {
        self.within(other, CLOSE)
    }

    /// The same for a value that cannot be read.
    pub(crate) fn is_blindly(self, other: Self) -> bool {
        self.within(other, BLIND)
    }

    fn within(self, other: Self, seconds: i64) -> bool {
        self.version == other.version && (self.at - other.at).abs() <= seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_another_day_is_another_write() {
        let recorded = Written { version: 1, at: 1000 };
        assert!(recorded.is(Written { version: 1, at: 1003 }));
        assert!(!recorded.is(Written { version: 1, at: 1100 }));
        assert!(recorded.is_blindly(Written { version: 1, at: 1100 }));
        assert!(!recorded.is_blindly(Written { version: 1, at: 9000 }));
        assert!(!recorded.is(Written { version: 2, at: 1000 }));
    }
}
