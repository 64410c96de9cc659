//! The boundary between bfd and a cloud.
