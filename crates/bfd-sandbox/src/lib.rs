//! An embedded AWS that answers the SDK's requests in process.
