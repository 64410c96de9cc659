//! The AWS CLI, a client that was not written here.

use std::ffi::OsStr;

use serde_json::Value;

use crate::bfd::Workspace;
use crate::command::{Invocation, Output};
use crate::tools::Tools;

/// The AWS CLI against one endpoint.
#[derive(Debug)]
pub struct AwsCli {
    workspace: Workspace,
    endpoint: String,
    account: Option<String>,
}

impl AwsCli {
    /// # Panics
    /// When the test tools are not installed.
    #[track_caller]
    pub fn new(endpoint: impl Into<String>) -> Self {
        Tools::find();
        Self { workspace: Workspace::new(), endpoint: endpoint.into(), account: None }
    }

    /// Acts in another account, where the server takes it from the access key.
    #[must_use]
    pub fn in_account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Makes a call that must succeed, and returns its answer; null when it is empty.
    #[track_caller]
    pub fn call(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Value {
        let output = self.try_call(arguments).succeeds();
        if output.stdout.trim().is_empty() { Value::Null } else { output.json() }
    }

    /// Makes a call, whatever comes of it.
    #[track_caller]
    pub fn try_call(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
        self.invocation(arguments).run()
    }

    /// Prepares a call.
    #[track_caller]
    pub fn invocation(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Invocation {
        let invocation = self
            .workspace
            .command(Tools::find().aws())
            .args(["--endpoint-url", &self.endpoint, "--output", "json"])
            .args(arguments)
            .env("AWS_PAGER", "");
        match &self.account {
            Some(account) => invocation.account(account),
            None => invocation,
        }
    }
}
