//! What the status of a stack means. From "Understand CloudFormation stack creation events"
//! and "Stack status codes" in CloudFormation's user guide.

/// What can be done with a stack as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// As its template says; takes updates.
    Ready,
    /// As its template says, and cleaning up: takes no update yet.
    CleaningUp,
    /// The last update failed and was undone; takes updates.
    RolledBack,
    /// Undone, and cleaning up: takes no update yet.
    RolledBackCleaningUp,
    /// An operation is under way.
    Busy,
    /// A change set was made for a stack that does not exist.
    Shell,
    /// It was never created: nothing of it is there, and only a delete is possible.
    Husk,
    /// It was never created, and parts of it are there: only a delete is possible.
    Broken,
    /// An update and its rollback failed: the rollback has to be continued first.
    RollbackFailed,
    /// An update failed and nothing was undone, because rollback was disabled; takes
    /// updates that disable it as well.
    HalfUpdated,
    /// A delete failed: parts are gone.
    HalfDeleted,
    Deleted,
}

impl Phase {
    pub(super) fn of(status: &str) -> Self {
        match status {
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => Self::Ready,
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => Self::CleaningUp,
            "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_ROLLBACK_COMPLETE" => Self::RolledBack,
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS" => Self::RolledBackCleaningUp,
            "REVIEW_IN_PROGRESS" => Self::Shell,
            "ROLLBACK_COMPLETE" => Self::Husk,
            "CREATE_FAILED" | "ROLLBACK_FAILED" => Self::Broken,
            "UPDATE_ROLLBACK_FAILED" | "IMPORT_ROLLBACK_FAILED" => Self::RollbackFailed,
            "UPDATE_FAILED" => Self::HalfUpdated,
            "DELETE_FAILED" => Self::HalfDeleted,
            "DELETE_COMPLETE" => Self::Deleted,
            // Includes what AWS adds later: a status nobody knows is not taken for an end.
            _ => Self::Busy,
        }
    }

    /// Whether the stack stays as it is until somebody asks for something.
    pub(super) fn is_settled(self) -> bool {
        !matches!(self, Self::Busy | Self::CleaningUp | Self::RolledBackCleaningUp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_cloudformation::types::StackStatus;

    #[test]
    fn every_status_has_its_phase() {
        let busy: Vec<&str> = StackStatus::values()
            .iter()
            .copied()
            .filter(|status| Phase::of(status) == Phase::Busy)
            .collect();
        assert_eq!(
            busy,
            [
                "CREATE_IN_PROGRESS",
                "DELETE_IN_PROGRESS",
                "IMPORT_IN_PROGRESS",
                "IMPORT_ROLLBACK_IN_PROGRESS",
                "ROLLBACK_IN_PROGRESS",
                "UPDATE_IN_PROGRESS",
                "UPDATE_ROLLBACK_IN_PROGRESS",
            ]
        );
    }
}
