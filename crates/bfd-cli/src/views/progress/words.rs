//! What an operation is called before, after, and when it is taken back.

use bfd_core::plan::Op;

pub(crate) fn doing(op: &Op) -> &'static str {
    match op {
        Op::Create { .. } => "creating",
        Op::Update { .. } => "updating",
        Op::Adopt { .. } => "adopting",
        Op::Delete { .. } => "deleting",
    }
}

pub(crate) fn did(op: &Op) -> &'static str {
    match op {
        Op::Create { .. } => "created",
        Op::Update { .. } => "updated",
        Op::Adopt { .. } => "adopted",
        Op::Delete { .. } => "deleted",
    }
}

pub(crate) fn undoing(op: &Op) -> &'static str {
    match op {
        Op::Create { .. } => "removing again",
        Op::Update { .. } | Op::Adopt { .. } => "putting back",
        Op::Delete { .. } => "creating again",
    }
}

pub(crate) fn undid(op: &Op) -> &'static str {
    match op {
        Op::Create { .. } => "removed again",
        Op::Update { .. } | Op::Adopt { .. } => "put back",
        Op::Delete { .. } => "created again",
    }
}
