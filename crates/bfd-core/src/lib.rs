//! The nouns of bfd and the laws they obey.
